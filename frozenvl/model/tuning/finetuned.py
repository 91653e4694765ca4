"""The whole language model trained."""

from __future__ import annotations

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.tuning.tuning import Tuning
from frozenvl.util.errors import UserError


class Finetuned(Tuning):
    """All weights of the language model are trained ("Frozen finetuned", at a rate of 1e-5; with random weights to
    start from, "Frozen scratch").
    """

    def attach(self, language: FrozenLanguageModel) -> None:
        if language.quantization:
            raise UserError("quantised weights cannot be trained; use LoRA, or leave out model.quantization")
        language.model.requires_grad_(True)
