"""The interface of benchmarks: what is asked of a model, and how its answers are scored. Nothing of Lightning.

`callback.py` runs a benchmark in the loop, `suite.py` on a trained run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from frozenvl.data.stream import Task
from frozenvl.evaluation.asks import Ask
from frozenvl.evaluation.query import Answer, Query
from frozenvl.metrics.metric import Metric
from frozenvl.wording import Template


class Scores(Protocol):
    """The scores of a set of answers, such as `AccuracyScores`."""

    @property
    def scores(self) -> Mapping[str, float]: ...

    def intervals(self) -> Mapping[str, tuple[float, float]]: ...


@dataclass(frozen=True)
class Setting:
    """One way to ask a benchmark's queries; it has a score of its own."""

    name: str = ""
    """Appended to the benchmark's name."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Shots, ways, seed …: what tells the settings of a benchmark apart."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """What scores depend on beside these, the wording, the ask and the model: rules of normalisation, a pool …"""


class Benchmark(ABC):
    """What is asked of a model, and how its answers are scored."""

    protocol: ClassVar[str]
    """Kind of the benchmark, such as "vqa"."""
    metrics: Sequence[Metric]
    """Describes its scores; one is the main one."""
    ask: Ask
    """What is asked for each query."""
    template: Template | None = None
    """The wording of its prompts, recorded beside its scores."""
    name: str = ""
    """Name of the benchmark's folders and of its rows in reports. A suite sets it; the default is the protocol."""
    supervised_encoder: str = ""
    """A note on an encoder that was trained with labels on the benchmark's classes."""

    @abstractmethod
    def queries(self, setting: Setting) -> Sequence[Query]:
        """All queries of a setting. Reading them may raise `UserError`."""

    @abstractmethod
    def score(self, setting: Setting, answers: Mapping[str, Answer]) -> Scores:
        """The scores of answers by query id; they may be some of all."""

    def settings(self) -> list[Setting]:
        """The settings, each evaluated and scored on its own."""
        return [Setting()]

    def bind(self, train: Mapping[str, Task], val: Mapping[str, Task]) -> None:  # noqa: B027
        """Takes what it needs from a run's tasks; without a run both are empty.

        Raises:
            UserError: where what it needs is not there.
        """

    def prepare(self, progress: bool) -> None:  # noqa: B027
        """Called before its queries are read; may be called again.

        Args:
            progress: whether to show a progress line.
        """

    def baselines(self, setting: Setting) -> dict[str, float]:
        """Scores without a model, on the scale of the main score."""
        return {}

    def right(self, answer: Answer) -> float | None:
        """How right a single answer is, from 0 to 1; none where that is not defined."""
        return None

    def official(self, texts: Mapping[str, str]) -> list[dict[str, Any]]:
        """Texts by query id in the results layout of the task's evaluation server; empty where it has none."""
        return []
