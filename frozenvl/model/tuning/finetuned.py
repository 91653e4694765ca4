"""Finetuning of the whole language model."""

from __future__ import annotations

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.tuning.tuning import Tuning
from frozenvl.util.errors import UserError


class Finetuned(Tuning):
    """Finetuning of all weights of the language model.

    It is "Frozen finetuned" at a learning rate of 1e-5, and "Frozen scratch" if the weights start random.
    """

    def attach(self, language: FrozenLanguageModel) -> None:
        if language.quantization:
            raise UserError("quantised weights cannot be trained; use LoRA, or leave out model.quantization")
        language.model.requires_grad_(True)
