"""`Validates`: losses on validation data and predictions of a module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from frozenvl.model.batch import Batch
from frozenvl.objectives.objective import total_of
from frozenvl.training.optim import switch


class Validates:
    """Mixin of `FrozenModule` with the steps of validation, test and prediction."""

    def on_validation_start(self: Any) -> None:
        """Gathers a sharded language model: in validation the ranks do different numbers of forward passes."""
        switch(self.trainer.optimizers, "eval")
        if self.sharded:
            self.sharded.gather()

    def on_validation_end(self: Any) -> None:
        if self.sharded:
            self.sharded.release()

    on_test_start = on_predict_start = on_validation_start
    on_test_end = on_predict_end = on_validation_end

    def on_validation_epoch_start(self: Any) -> None:
        self._sums: dict[str, float] = {}

    def validation_step(self: Any, batch: Batch, _index: int) -> None:
        """Adds the totals and counts of each objective for a batch."""
        run = self.model.run(batch)
        for name, objective in self.objectives.items():
            objective_run = run.of(name)
            sums = {
                "total": float(total_of(objective, objective_run)),
                "count": objective.count(objective_run.batch),
            }
            for key, value in (sums | objective.sums(objective_run.batch)).items():
                self._sums[f"{name}/{key}"] = self._sums.get(f"{name}/{key}", 0.0) + value
        run.check_features()

    def on_validation_epoch_end(self: Any) -> None:
        """Logs each objective's loss (total ÷ count over all ranks), and its other validation metrics."""
        summed, losses = self._all_sum(self._sums), {}
        for name, objective in self.objectives.items():
            sums = {
                key.removeprefix(f"{name}/"): value
                for key, value in summed.items()
                if key.startswith(f"{name}/")
            }
            if not sums["count"]:  # an objective without a loss on validation data, such as SelfCritical
                continue
            losses[name] = sums["total"] / sums["count"]
            self.log(f"val/{name}", losses[name])
            for key, value in objective.summary(losses[name], sums).items():
                self.log(f"val/{key}", value)
        if losses:
            self.log("val/loss", self._weighted(losses), prog_bar=True)

    on_test_epoch_start = on_validation_epoch_start
    test_step = validation_step
    on_test_epoch_end = on_validation_epoch_end

    def predict_step(self: Any, batch: Batch, _index: int, dataloader_idx: int = 0) -> list[dict[str, str]]:
        """Returns the greedy continuation of each prompt as {task, id, text}; unreadable images come last.

        Args:
            dataloader_idx: index of the task in `data.val`. Each task has its own loader.
        """
        name, task = list(self.trainer.datamodule.val.items())[dataloader_idx]
        texts = self.model.generate(batch, self.processor, self.max_target_tokens, task.template.stops)
        rows = [
            {"task": name, "id": key, "text": task.template.answer(text)}
            for key, text in zip(batch.ids, texts, strict=True)
        ]
        return rows + [
            {"task": name, "id": key, "text": "", "unreadable": reason} for key, reason in batch.unreadable
        ]

    def _weighted(self: Any, losses: Mapping[str, float]) -> float:
        """Returns the weighted sum of the objectives' losses."""
        return sum(self.objectives[name].weight * loss for name, loss in losses.items())

    def _all_sum(self: Any, values: Mapping[str, float]) -> dict[str, float]:
        """Returns each number summed over all ranks, which must pass the same names in the same order."""
        summed = torch.tensor(list(values.values()), dtype=torch.float64, device=self.device)
        return dict(zip(values, self.trainer.strategy.reduce(summed, reduce_op="sum").tolist(), strict=True))
