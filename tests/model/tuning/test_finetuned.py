"""Finetuned: all weights of the language model are trained."""

from __future__ import annotations

import pytest

from frozenvl.model.tuning import Finetuned
from frozenvl.util.errors import UserError


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_all_weights_of_the_language_model_are_trained(build, kind):
    model = build(kind, tuning=Finetuned())
    assert all(weight.requires_grad for weight in model.language.parameters())
    assert not list(model.tuning.parameters())
    held = {
        name.removeprefix("language.") for name in model.trained_weights() if name.startswith("language.")
    }
    assert held >= {name for name, _ in model.language.named_parameters()}


def test_quantised_weights_cannot_be_trained(build, monkeypatch):
    language = build().language
    monkeypatch.setattr(language, "quantization", "int8")
    with pytest.raises(UserError, match=r"quantised weights cannot be trained; use LoRA"):
        Finetuned().attach(language)
    assert not any(weight.requires_grad for weight in language.parameters())
