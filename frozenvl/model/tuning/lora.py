"""LoRA: low-rank changes to linear layers."""

from __future__ import annotations

from typing import Any

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.tuning.tuning import Tuning, at_least_one
from frozenvl.util.errors import UserError


class LoRA(Tuning):
    """Low-rank changes to some of its products (PEFT).

    Args:
        rank: of each change.
        alpha: a change is scaled by alpha / rank.
        targets: names of the modules; by default those that PEFT knows for the architecture.
        dropout: on what goes into a change.
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
