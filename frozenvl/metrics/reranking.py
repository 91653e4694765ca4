"""Scores of retrieval after re-ranking, beside those before and with their difference."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from frozenvl.metrics import bootstrap
from frozenvl.metrics.metric import Metric
from frozenvl.metrics.retrieval import METRICS, RetrievalScores

AFTER = "reranked/"
"""Prefix of a score after re-ranking."""
GAIN = "gain/"
"""Prefix of the difference that re-ranking makes to a score, in points."""


def reranked_metrics() -> tuple[Metric, ...]:
    """Returns the descriptions of retrieval's scores, and of those after re-ranking with their gains."""
    recalls = [metric for metric in METRICS if metric.unit == "%" and "/" not in metric.name]
    after = [replace(metric, name=AFTER + metric.name, main=False) for metric in (METRICS[0], *recalls)]
    gains = [Metric(GAIN + metric.name, digits=1, shown=metric.name.endswith("_r1")) for metric in recalls]
    return (*METRICS, *after, *gains)


@dataclass(frozen=True)
class RerankedScores:
    """Scores before and after re-ranking the same queries. Intervals of gains are paired."""

    before: RetrievalScores
    after: RetrievalScores

    @property
    def scores(self) -> dict[str, float]:
        """Scores before, such as `i2t_r1`; those that change, `reranked/i2t_r1`; their gains, `gain/i2t_r1`."""
        once = self.reweighted(np.ones((1, len(self.units))))
        return {name: float(value[0]) for name, value in once.items()}

    @property
    def units(self) -> list[str]:
        """Ids of the photographs, which intervals resample."""
        return self.before.units

    @property
    def notes(self) -> list[str]:
        """Remarks that matter when reading the scores, one line each."""
        return [*self.before.notes, *(note for note in self.after.notes if note not in self.before.notes)]

    def reweighted(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Returns every score as (samples,). In sample i, photograph j counts `weights[i, j]` times, as a query."""
        before, after = self.before.reweighted(weights), self.after.reweighted(weights)
        directions = {ranks.direction for ranks in self.after.whole if ranks.known < np.inf}
        changed = [name for name in after if name == "rsum" or name.partition("_")[0] in directions]
        gains = {GAIN + name: after[name] - before[name] for name in changed if name != "rsum"}
        return before | {AFTER + name: after[name] for name in changed} | gains

    def intervals(
        self, confidence: float = 0.95, samples: int = 1000, seed: int = 0
    ) -> dict[str, tuple[float, float]]:
        """Returns the bootstrap percentile interval (low, high) of every score. Resamples photographs."""
        return bootstrap.intervals(self, confidence, samples, seed)
