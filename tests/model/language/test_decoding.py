"""Greedy decoding, and the options of transformers' generate."""

import pytest
import torch
from architectures import ALL
from sequences import LENGTHS, rows

from frozenvl.model.language.decoding import greedy, sample


@pytest.mark.matrix("cached = uncached")
@pytest.mark.parametrize("kind", ALL)
def test_greedy_equals_decoding_without_a_cache(language, kind):
    """Compares with a loop without a cache; rows leave the batch at different times."""
    model = language(kind)
    embeddings, _ = rows(model)
    expected = []
    for row, length in zip(embeddings, LENGTHS, strict=True):
        inputs, tokens = row[None, :length], []
        for _ in range(8):
            tokens.append(int(model.model(inputs_embeds=inputs, use_cache=False).logits[0, -1].argmax()))
            inputs = torch.cat([inputs, model.embed(torch.tensor([tokens[-1:]]))], dim=1)
        expected.append(tokens)
    assert greedy(model, embeddings, LENGTHS, 8, lambda ids: False, -1) == expected
    end = expected[2][3]
    cut = [tokens[: tokens.index(end)] if end in tokens else tokens for tokens in expected]
    assert greedy(model, embeddings, LENGTHS, 8, lambda ids: False, end) == cut != expected


@pytest.mark.parametrize("kind", ALL)
def test_greedy_equals_transformers_generate(language, kind):
    """Compares a left-padded batch with single sequences in transformers; rows end at different times."""
    model = language(kind)
    embeddings, _ = rows(model)
    unending = greedy(model, embeddings, LENGTHS, 8, lambda ids: False, -1)
    assert [len(row) for row in unending] == [8] * 4
    end = unending[2][3]
    ours = greedy(model, embeddings, LENGTHS, 8, lambda ids: False, end)
    assert len(ours[2]) <= 3 and len({len(row) for row in ours}) > 1
    for row, (one, length) in enumerate(zip(embeddings, LENGTHS, strict=True)):
        out = model.model.generate(
            inputs_embeds=one[None, :length],
            attention_mask=torch.ones(1, int(length), dtype=torch.long),
            max_new_tokens=8,
            do_sample=False,
            num_beams=1,
            eos_token_id=end,
            pad_token_id=end,
        )[0].tolist()
        assert ours[row] == (out[: out.index(end)] if end in out else out)


def test_a_stop_condition_ends_only_its_row(language):
    model = language("llama")
    embeddings, _ = rows(model)
    free = greedy(model, embeddings, LENGTHS, 6, lambda ids: False, -1)
    first = free[1][0]
    stopped = greedy(model, embeddings, LENGTHS, 6, lambda ids: ids[0] == first and len(ids) == 2, -1)
    assert stopped == [row[:2] if row[0] == first else row for row in free] and stopped != free


@pytest.mark.parametrize("kind", ["gpt2", "opt", "llama", "mistral"])
def test_generate_options_reach_transformers(language, kind):
    model = language(kind)
    embeddings, _ = rows(model)
    end = model.model.config.eos_token_id
    likeliest = greedy(model, embeddings, LENGTHS, 5, lambda ids: False, end)
    assert sample(model, embeddings, LENGTHS, end, max_new_tokens=5, do_sample=True, top_k=1) == likeliest
    beams = sample(model, embeddings, LENGTHS, end, max_new_tokens=5, num_beams=3)
    alone = [
        sample(model, one[None, :n], n[None], end, max_new_tokens=5, num_beams=3)[0]
        for one, n in zip(embeddings, LENGTHS, strict=True)
    ]
    assert beams == alone != likeliest
    torch.manual_seed(0)
    sampled = sample(model, embeddings, LENGTHS, end, max_new_tokens=5, do_sample=True)
    torch.manual_seed(0)
    assert sample(model, embeddings, LENGTHS, end, max_new_tokens=5, do_sample=True) == sampled != likeliest
