"""LoRA: low-rank updates of linear layers."""

from __future__ import annotations

import re
from typing import Any

from torch import nn

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.tuning.tuning import Tuning, at_least_one
from frozenvl.util.errors import UserError

ALL_LINEAR = "all-linear"
"""PEFT's name for all linear layers but the head."""


class LoRA(Tuning):
    """LoRA: low-rank updates of some of the language model's linear layers (PEFT).

    Args:
        rank: rank of each update.
        alpha: scaling of the updates, which are multiplied by alpha / rank.
        targets: modules to update, as PEFT takes them: a list of names, which are ends of their paths (`[q_proj,
            v_proj]`); `all-linear` for all linear layers but the head; or a regular expression that matches whole
            paths. By default PEFT's choice for the architecture.
        dropout: dropout rate of the input of each update.

    Raises:
        UserError: if the targets are empty, or a regular expression is invalid.
    """

    def __init__(
        self, rank: int = 8, alpha: float = 16, targets: list[str] | str | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if targets is not None and (not targets or (isinstance(targets, list) and not all(targets))):
            raise UserError(
                f"LoRA: targets is {targets!r}; name the modules to update, write {ALL_LINEAR}, or leave it out"
            )
        if isinstance(targets, str):
            try:
                re.compile(targets)
            except re.error as error:
                raise UserError(f"LoRA: targets is {targets!r}, no regular expression ({error})") from None
        self.settings: dict[str, Any] = {
            "r": at_least_one("rank", rank),
            "lora_alpha": alpha,
            "target_modules": targets,
            "lora_dropout": dropout,
        }

    def attach(self, language: FrozenLanguageModel) -> None:
        from peft import LoraConfig, TaskType, inject_adapter_in_model  # late: takes seconds

        check_targets(self.settings["target_modules"], language)
        try:
            inject_adapter_in_model(LoraConfig(task_type=TaskType.CAUSAL_LM, **self.settings), language.model)
        except ValueError as error:
            raise UserError(f"LoRA on {language.name}: {' '.join(str(error).split())[:200]}") from error


def check_targets(targets: list[str] | str | None, language: FrozenLanguageModel) -> None:
    """Checks that each target names modules with a matrix. PEFT accepts a list if one of its names does.

    Raises:
        UserError: if one does not.
    """
    if targets is None or (isinstance(targets, str) and targets.lower() == ALL_LINEAR):
        return
    modules = {path: module for path, module in language.model.named_modules() if path}
    linear = {path.rpartition(".")[2] for path, module in modules.items() if is_linear(module)}
    there = f"its linear layers are {', '.join(sorted(linear))}"
    for target in [targets] if isinstance(targets, str) else targets:
        if isinstance(targets, str):
            named = [path for path in modules if re.fullmatch(target, path)]
            problem = (
                f"no module matches {target!r}, a regular expression of whole paths such as {[*modules][-1]}"
            )
            hint = f"for a name, write a list: [{target}]" if target in linear else there
        else:
            named = [path for path in modules if path == target or path.endswith(f".{target}")]
            problem = f"it has no module {target!r}"
            hint = f"write {ALL_LINEAR} without a list" if target.lower() == ALL_LINEAR else there
        if not named:
            raise UserError(f"LoRA on {language.name}: {problem}; {hint}")
        if odd := next((path for path in named if not has_matrix(modules[path])), None):
            kind = type(modules[odd]).__name__
            raise UserError(
                f"LoRA on {language.name}: {target!r} names {odd}, a {kind} without a matrix of its own; {there}"
            )


def has_matrix(module: nn.Module) -> bool:
    """Returns whether a module itself has a matrix as its weight, as linear layers and embeddings do."""
    weight = getattr(module, "weight", None)
    return weight is not None and weight.ndim >= 2


def is_linear(module: nn.Module) -> bool:
    """Returns whether a module is a linear layer, also one of transformers' or a quantised one."""
    return has_matrix(module) and not isinstance(module, nn.Embedding)
