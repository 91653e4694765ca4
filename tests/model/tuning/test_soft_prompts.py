"""Soft prompts: learned vectors, or keys and values, in front of every sequence."""

import pytest
import torch
from architectures import ALL
from samples import RED
from sequences import LENGTHS, rows
from tuned import perturb

from frozenvl.model.tuning import PrefixTuning, PromptTuning
from frozenvl.util.errors import UserError


@pytest.mark.parametrize("kind", ["llama", "gpt2", "qwen2", "gemma"])
def test_prefix_tuning_starts_from_keys_and_values_of_tokens(build, processor_of, kind):
    plain, model = build(kind), build(kind, tuning=PrefixTuning(3))
    words = len(plain.language.model.get_input_embeddings().weight)
    first = plain.language.embed(torch.arange(0, words, words // 3)[:3])
    behind = torch.randn(5, plain.language.dim)
    expected = plain.language.hidden(torch.cat([first, behind])[None], torch.tensor([8]))[3:]
    found = model.language.hidden(behind[None], torch.tensor([5]))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_prefix_tuning_refuses_prompt_caches(made):
    model, processor = made("prefix")
    with pytest.raises(UserError, match="draw demonstrations per question"):
        model.prefill(processor, (RED, "This is a dax.\n"))


def test_a_soft_prompt_counts_towards_the_positions(made):
    model, processor = made("prompt")
    room = model.language.max_positions
    prompts = processor([("a " * 8,)])
    length = int(prompts.lengths[0])
    model.generate(prompts, processor, 1)
    with pytest.raises(UserError, match=f"has {room + 1} positions"):
        model._check(prompts, more=room - length - 3 + 1)


WINDOW = "prefix tuning is refused: not all its layers keep keys and values of all positions"
NO_PREFIX = dict.fromkeys(["gemma2", "gemma3", "mistral", "phimoe", "mpt", "mamba"], WINDOW) | {
    "falcon": "prefix tuning is refused: its heads share keys and values in a way that PEFT does not know"
}


@pytest.mark.matrix("prefix tuning: batched = single", cannot=NO_PREFIX)
@pytest.mark.parametrize("kind", ALL)
def test_prefix_tuning_is_right_or_refused(build, kind):
    """Compares rows padded on the right (training) and on the left (generation) with single rows."""
    if kind in NO_PREFIX:
        with pytest.raises(UserError, match=r"prefix tuning on .*; use prompt tuning or LoRA$") as found:
            build(kind, tuning=PrefixTuning(3))
        assert "\n" not in str(found.value)
        return
    model = build(kind, tuning=PrefixTuning(3))
    perturb(model)
    language = model.language
    embeddings, _ = rows(language)
    with torch.no_grad():
        single = [language.hidden(row[None, :n], n[None]) for row, n in zip(embeddings, LENGTHS, strict=True)]
        torch.testing.assert_close(
            language.hidden(embeddings, LENGTHS), torch.cat(single), rtol=1e-3, atol=1e-4
        )
    last = torch.stack([row[-1] for row in single])
    torch.testing.assert_close(language.read(embeddings, LENGTHS).hidden, last, rtol=1e-3, atol=1e-4)


def test_prompt_tuning_takes_heads_that_share_keys_and_values(build):
    assert build("falcon", tuning=PromptTuning(3)).language.soft_prompt_length == 3


def test_a_soft_prompt_starts_at_the_size_of_embeddings(build):
    model = build(tuning=PromptTuning(40))
    vectors, words = model.tuning.vectors(), model.language.some_embeddings()
    assert vectors.shape == (40, model.language.dim) and vectors.requires_grad
    torch.testing.assert_close(vectors.std(), words.std(), rtol=0.2, atol=0)


def test_all_rows_have_the_same_learned_keys_and_values(build):
    tuning = build(tuning=PrefixTuning(3)).tuning
    cache = tuning.cache(5)
    assert cache.get_seq_length() == 3 and tuning.vectors() is None
    for layer in cache.layers:
        assert layer.keys.shape[0] == 5 and layer.keys[:1].expand_as(layer.keys).equal(layer.keys)
