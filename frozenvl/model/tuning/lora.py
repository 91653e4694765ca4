"""LoRA: low-rank updates of linear layers."""

from __future__ import annotations

from typing import Any

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.tuning.tuning import Tuning, at_least_one
from frozenvl.util.errors import UserError


class LoRA(Tuning):
    """LoRA: low-rank updates of some of the language model's linear layers (PEFT).

    Args:
        rank: rank of each update.
        alpha: scaling of the updates, which are multiplied by alpha / rank.
        targets: names of the modules to update; by default PEFT's choice for the architecture.
        dropout: dropout rate of the input of each update.
    """

    def __init__(
        self, rank: int = 8, alpha: float = 16, targets: list[str] | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {
            "r": at_least_one("rank", rank),
            "lora_alpha": alpha,
            "target_modules": targets,
            "lora_dropout": dropout,
        }

    def attach(self, language: FrozenLanguageModel) -> None:
        from peft import LoraConfig, TaskType, inject_adapter_in_model  # late: takes seconds

        try:
            inject_adapter_in_model(LoraConfig(task_type=TaskType.CAUSAL_LM, **self.settings), language.model)
        except ValueError as error:
            raise UserError(f"LoRA on {language.name}: {' '.join(str(error).split())[:200]}") from error
