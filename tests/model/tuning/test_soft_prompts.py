"""Soft prompts: learned vectors, or keys and values, in front of every sequence."""

import pytest
import torch
from tuned import RED

from frozenvl.model.tuning import PrefixTuning
from frozenvl.util.errors import UserError


@pytest.mark.parametrize("kind", ["llama", "gpt2", "qwen2", "gemma"])
def test_learned_keys_and_values_start_as_those_of_tokens(build, processor_of, kind):
    plain, model = build(kind), build(kind, tuning=PrefixTuning(3))
    words = len(plain.language.model.get_input_embeddings().weight)
    first = plain.language.embed(torch.arange(0, words, words // 3)[:3])
    behind = torch.randn(5, plain.language.dim)
    expected = plain.language.hidden(torch.cat([first, behind])[None], torch.tensor([8]))[3:]
    found = model.language.hidden(behind[None], torch.tensor([5]))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_with_learned_keys_and_values_prompts_share_nothing(made):
    model, processor = made("prefix")
    with pytest.raises(UserError, match="draw demonstrations per question"):
        model.prefill(processor, (RED, "This is a dax.\n"))


def test_a_learned_start_takes_positions(made):
    model, processor = made("prompt")
    room = model.language.max_positions
    prompts = processor([("a " * 8,)])
    length = int(prompts.lengths[0])
    model.generate(prompts, processor, 1)
    with pytest.raises(UserError, match=f"has {room + 1} positions"):
        model._check(prompts, more=room - length - 3 + 1)
