"""A cache of one sequence gives the last hidden states of whole sequences, however it was read before."""

import pytest
import torch
from architectures import ALL

from frozenvl.model.language.growing_cache import GrowingCache


@pytest.mark.parametrize("kind", ALL)
def test_the_last_state_is_that_of_the_whole_sequence(language, kind):
    """Longer, equal, shorter and other sequences in a row; windows of 4 positions are exceeded."""
    model = language(kind)
    cache = GrowingCache(model)
    assert cache.can_be_cut == (kind != "mamba")
    sequences = [[3, 1, 4, 1, 5, 9, 2, 6], [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5], [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5],
                 [3, 1, 4, 1, 5, 9], [3, 1, 4, 1, 5, 9, 2, 7], [8, 1], [8, 1, 8, 2, 8]]  # fmt: skip
    for tokens in sequences:
        embeddings = model.embed(torch.tensor([tokens]))
        hidden = cache.read(tokens, embeddings)
        with torch.no_grad():
            expected = model.hidden(embeddings, torch.tensor([len(tokens)]))[-1:]
        torch.testing.assert_close(hidden, expected, rtol=1e-3, atol=2e-4)
        assert len(cache) == len(tokens)
    hidden = cache.advance(7, 7)
    with torch.no_grad():
        expected = model.hidden(model.embed(torch.tensor([[8, 1, 8, 2, 8, 7]])), torch.tensor([6]))[-1:]
    torch.testing.assert_close(hidden, expected, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("kind", ["llama", "mistral", "mamba"])
def test_positions_that_were_read_are_not_read_again(language, kind, monkeypatch):
    model, read = language(kind), []
    cache = GrowingCache(model)
    forward = model.model.base_model.forward
    monkeypatch.setattr(
        model.model.base_model, "forward",
        lambda **inputs: read.append(inputs["inputs_embeds"].shape[1]) or forward(**inputs),
    )  # fmt: skip
    positions = []
    for tokens in (
        [3, 1, 4, 1, 5],
        [3, 1, 4, 1, 5, 9, 2],
        [3, 1, 4, 1, 5, 9, 8, 8],
        [3, 1, 4, 1, 5, 9, 8, 8],
    ):
        del read[:]
        cache.read(tokens, model.embed(torch.tensor([tokens])))
        positions.append(sum(read))
    # A recurrent state goes on from the end of the first sequence, and is read anew where nothing follows it.
    assert positions == ([5, 2, 2, 1] if kind != "mamba" else [5, 2, 3, 3])
