"""The metrics as `torchmetrics.Metric`: strings by sample id, gathered exactly, each sample counted once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributed import all_gather_object
from torchmetrics import Metric

from frozenvl.metrics.accuracy import AccuracyScores, Groups
from frozenvl.metrics.captions import CAPTION_METRICS, CaptionScores, caption_scores
from frozenvl.metrics.cider import DocumentFrequency
from frozenvl.metrics.naming import naming_scores
from frozenvl.metrics.vqa import soft_scores, vqa_scores
from frozenvl.util.errors import UserError


class ById(Metric):
    """Keeps what was predicted for each sample, and gathers it from all ranks before `compute`.

    torchmetrics gathers tensors only, so strings are gathered here as objects. A sample that several ranks or
    several updates bring counts once; two different outputs for one sample are an error. Samples are scored
    in the order of their ids, so that the number of ranks does not change even the last digit.
    """

    full_state_update = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # A state of torchmetrics' own kind: how many samples this rank has.
        self.add_state("seen", torch.tensor(0), dist_reduce_fx="sum")
        self.predictions: dict[str, Any] = {}
        self._own: dict[str, Any] | None = None

    def update(self, predictions: Mapping[str, Any]) -> None:
        """Add outputs: sample id → output. Raises `UserError` for a second, different output of a sample."""
        _merge(self.predictions, predictions)
        self.seen: Tensor = torch.tensor(len(self.predictions), device=self.seen.device)

    def _sync_dist(self, dist_sync_fn: Any = None, process_group: Any = None) -> None:
        process_group = process_group or self.process_group
        world = torch.distributed.get_world_size(process_group)
        gathered: list[dict[str, Any] | None] = [None] * world
        all_gather_object(gathered, self.predictions, group=process_group)
        self._own, self.predictions = self.predictions, {}
        for part in gathered:
            _merge(self.predictions, part or {})

    def unsync(self, should_unsync: bool = True) -> None:
        super().unsync(should_unsync)
        if should_unsync and self._own is not None:
            self.predictions, self._own = self._own, None

    def reset(self) -> None:
        super().reset()
        self.predictions, self._own = {}, None

    def ordered(self) -> dict[str, Any]:
        """All outputs, in the order of their sample ids."""
        return dict(sorted(self.predictions.items()))


def _merge(known: dict[str, Any], more: Mapping[str, Any]) -> None:
    for sample, output in more.items():
        if known.setdefault(sample, output) != output:
            raise UserError(
                f"sample {sample!r} has two different outputs, {known[sample]!r} and {output!r};"
                " decode it once, or reset the metric between evaluations"
            )


class CaptionMetric(ById):
    """`captions.caption_scores` of image id → caption."""

    def __init__(
        self,
        references: Mapping[str, Sequence[str]],
        metrics: Sequence[str] = CAPTION_METRICS,
        document_frequency: DocumentFrequency | None = None,
        partial: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.references, self.metrics, self.partial = references, metrics, partial
        self.document_frequency = document_frequency

    def compute(self) -> CaptionScores:
        return caption_scores(
            self.ordered(), self.references, self.metrics, self.document_frequency, self.partial
        )


class VQAMetric(ById):
    """`vqa.vqa_scores` of question id → answer."""

    def __init__(
        self,
        answers: Mapping[str, Sequence[str]],
        groups: Groups | None = None,
        images: Mapping[str, str] | None = None,
        partial: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.answers, self.groups, self.images, self.partial = answers, groups, images, partial

    def compute(self) -> AccuracyScores:
        return vqa_scores(self.ordered(), self.answers, self.groups, self.images, self.partial)


class SoftScoreMetric(ById):
    """`vqa.soft_scores` of question id → answer."""

    def __init__(
        self,
        labels: Mapping[str, Mapping[str, float]],
        groups: Groups | None = None,
        images: Mapping[str, str] | None = None,
        partial: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.labels, self.groups, self.images, self.partial = labels, groups, images, partial

    def compute(self) -> AccuracyScores:
        return soft_scores(self.ordered(), self.labels, self.groups, self.images, self.partial)


class NamingMetric(ById):
    """`naming.naming_scores` of question id → (output, whether the sequence ended)."""

    def __init__(
        self,
        names: Mapping[str, str],
        groups: Groups | None = None,
        images: Mapping[str, str] | None = None,
        partial: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.names, self.groups, self.images, self.partial = names, groups, images, partial

    def compute(self) -> dict[str, AccuracyScores]:
        both = self.ordered()
        outputs = {sample: text for sample, (text, _) in both.items()}
        ended = {sample: end for sample, (_, end) in both.items()}
        return naming_scores(outputs, ended, self.names, self.groups, self.images, self.partial)
