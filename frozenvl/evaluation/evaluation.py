"""What all evaluations share: which queries a rank takes, gathering, scores logged and kept, a gallery drawn.

The queries are dealt to the ranks as whole batches that are fixed by position, and gathered once at the end. So
the number of ranks changes nothing, and a rank without a query still takes part.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import lightning as L
import torch

from frozenvl.data.datamodule import FrozenData, evaluation_batches, mixed
from frozenvl.data.reading import readable
from frozenvl.data.sources.source import Source
from frozenvl.data.tasks import Task
from frozenvl.errors import UnreadableImage, UserError
from frozenvl.evaluation.circumstances import circumstances
from frozenvl.evaluation.gallery import Tile, as_png, draw_gallery
from frozenvl.files import write_atomically
from frozenvl.metrics.distributed import ById
from frozenvl.module import FrozenModule
from frozenvl.progress import progress_line
from frozenvl.prompt import Example, Prompt, Sample

Record = dict[str, Any]
"""A query and what was generated for it: a line of predictions.jsonl."""

GALLERY = 12
"""Images drawn."""


class Scores(Protocol):
    """What a metric returns."""

    @property
    def scores(self) -> Mapping[str, float]: ...

    def intervals(self) -> Mapping[str, tuple[float, float]]: ...


class Evaluation(L.Callback, ABC):
    """Generates for a validation task and scores the texts, at the end of each validation and test.

    Args:
        task: its name in `data.val`.
        max_new_tokens: length limit of a text.
        decoding: options of transformers' `generate`; none is greedy decoding.
    """

    def __init__(self, task: str, max_new_tokens: int, decoding: dict[str, Any] | None = None) -> None:
        self.task_name, self.max_new_tokens, self.decoding = task, max_new_tokens, decoding or {}

    # What an evaluation says

    @abstractmethod
    def prompt(self, task: Task, example: Example) -> Prompt:
        """The prompt of a query."""

    @abstractmethod
    def metric(self, source: Source) -> ById:
        """The metric of texts by query id; they may be a part of the source's."""

    @abstractmethod
    def official(self, texts: Mapping[str, str]) -> list[dict[str, Any]]:
        """Texts by query id in the results layout of the task's own evaluation server."""

    def settings(self) -> dict[str, Any]:
        """What else the score depends on."""
        return {}

    # How it runs

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.sanity_checking:
            self.run(trainer, pl_module)

    def on_test_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.run(trainer, pl_module)

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Says before the run what could not work."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, FrozenData) or not isinstance(pl_module, FrozenModule):
            raise UserError(f"{type(self).__name__} evaluates a FrozenModule on FrozenData")
        if self.task_name not in data.val:
            known = ", ".join(data.val) or "none"
            raise UserError(
                f"{type(self).__name__}: no task {self.task_name!r} in data.val (there are: {known})"
            )

    def run(self, trainer: L.Trainer, module: Any) -> None:
        self.evaluate(trainer, module, self.task_name)

    def evaluate(self, trainer: L.Trainer, module: FrozenModule, name: str) -> None:
        """Generates, gathers, scores, logs, writes and draws, under a name."""
        data: FrozenData = trainer.datamodule  # type: ignore[attr-defined]
        task = data.val[self.task_name]
        source = task.source
        batches = evaluation_batches(mixed(len(source)), data.eval_batch_size)
        wanted = batches[: limit(trainer, len(batches))]
        mine: dict[str, Record] = {}
        with progress_line(name, trainer.is_global_zero) as progress:
            for done, batch in enumerate(wanted[trainer.global_rank :: trainer.world_size], start=1):
                mine |= self._answer(module, data, task, [source[index] for index in batch])
                progress(done, len(wanted[:: trainer.world_size]))
        metric = self.metric(source)
        metric.update({key: record["text"] for key, record in mine.items()})
        result: Scores = metric.compute()
        records = {key: record for part in gather(mine) for key, record in part.items()}
        records = {key: records[key] for key in sorted(records)}
        for key, value in result.scores.items():
            module.log(f"{name}/{key}", value)
        if trainer.is_global_zero:
            self._keep(trainer, module, name, result, records)

    def _answer(
        self, module: FrozenModule, data: FrozenData, task: Task, examples: list[Example]
    ) -> dict[str, Record]:
        samples, unreadable = [], {}
        for example in examples:
            try:
                samples.append(Sample(example.id, self.prompt(task, example)).with_images(data.see))
            except UnreadableImage as error:  # a demonstration's
                unreadable[example.id] = str(error)
        batch = readable(samples, module.processor)
        unreadable |= dict(batch.unreadable)
        texts: list[str] = []
        if len(batch):
            texts = module.model.generate(
                batch.to(module.device),
                module.processor,
                self.max_new_tokens,
                task.template.stop,
                **self.decoding,
            )
        generated = dict(zip(batch.ids, texts, strict=True))
        return {
            example.id: {
                "id": example.id,
                "image": example.image.name,
                "image_id": example.image_id,
                "question": example.question,
                "text": task.template.answer(generated.get(example.id, "")),
                "generated": generated.get(example.id, ""),
                "references": list(example.references),
                **({"kind": example.kind} if example.kind else {}),
                **({"unreadable": unreadable[example.id]} if example.id in unreadable else {}),
            }
            for example in examples
        }

    def _keep(
        self, trainer: L.Trainer, module: FrozenModule, name: str, result: Scores, records: dict[str, Record]
    ) -> None:
        data: FrozenData = trainer.datamodule  # type: ignore[attr-defined]
        task = data.val[self.task_name]
        folder = Path(trainer.default_root_dir) / "evaluation" / name
        score = {
            "name": name,
            "scores": dict(result.scores),
            "intervals": {key: list(ends) for key, ends in result.intervals().items()},
            "samples": len(records),
            "of": len(task.source),
            "partial": len(records) < len(task.source),
            "unreadable": sum("unreadable" in record for record in records.values()),
            "step": trainer.global_step or module.trained_steps,
            "circumstances": circumstances(module, data, task, self.max_new_tokens, self.decoding, records)
            | self.settings(),
        }
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records.values())
        write_atomically(folder / "predictions.jsonl", lines)
        results = self.official({key: record["text"] for key, record in records.items()})
        write_atomically(folder / "results.json", json.dumps(results, ensure_ascii=False) + "\n")
        write_atomically(folder / "score.json", json.dumps(score, indent=2, ensure_ascii=False) + "\n")
        shown = [task.source[index] for index in mixed(len(task.source))[:GALLERY]]
        tiles = [
            Tile(e.image.read(), [f"→ {records[e.id]['text']}"], e.question, e.references)
            for e in shown
            if e.id in records and "unreadable" not in records[e.id]
        ]
        picture = draw_gallery(tiles)
        write_atomically(folder / "gallery.png", as_png(picture))
        for logger in trainer.loggers:
            if isinstance(logger, L.pytorch.loggers.TensorBoardLogger):
                pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
                pixels = pixels.view(picture.height, picture.width, 3)
                logger.experiment.add_image(f"{name}/gallery", pixels, score["step"], dataformats="HWC")


def limit(trainer: L.Trainer, batches: int) -> int:
    """How many batches `limit_val_batches` (or `limit_test_batches`, `fast_dev_run`) leaves."""
    wanted = trainer.limit_test_batches if trainer.testing else trainer.limit_val_batches
    return min(batches, wanted) if isinstance(wanted, int) else int(batches * wanted)


def gather(mine: Any) -> list[Any]:
    """Every rank's object, on every rank."""
    if not torch.distributed.is_initialized():
        return [mine]
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, mine)
    return parts
