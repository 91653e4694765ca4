"""The benchmark interface: the queries that a model answers, and the scores of its answers. No Lightning here.

`callback.py` runs a benchmark during training, `suite.py` on a trained run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, ClassVar, Protocol

from frozenvl.data.stream import Task
from frozenvl.evaluation.asks import Ask
from frozenvl.evaluation.query import Answer, Query
from frozenvl.evaluation.tiles import MAX_TILES, answer_tiles
from frozenvl.metrics.metric import Metric
from frozenvl.util.gallery import Tile
from frozenvl.wording import Template


class Scores(Protocol):
    """Interface of the scores of a set of answers; `AccuracyScores` is one.

    An attribute `notes`, a list of lines that matter when reading the scores, is optional; score.json records it.
    """

    @property
    def scores(self) -> Mapping[str, float]:
        """Score by its name."""

    def intervals(self) -> Mapping[str, tuple[float, float]]:
        """Returns the 95 % interval (low, high) of each score."""


@dataclass(frozen=True)
class Setting:
    """One way to ask a benchmark's queries, such as 4-shot with seed 0. Each setting has its own scores."""

    name: str = ""
    """Suffix of the benchmark's name, such as "4shot"; empty if there is only one setting."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Values that differ between the settings of a benchmark: shots, ways, seed, …"""
    provenance: dict[str, Any] = field(default_factory=dict)
    """Other values of the setting that scores depend on: normalisation rules, pool of demonstrations, …"""


class Benchmark(ABC):
    """A set of queries for a model, and the scores of its answers."""

    protocol: ClassVar[str]
    """Kind of the benchmark, such as "vqa"."""
    metrics: Sequence[Metric]
    """Descriptions of the scores. Exactly one is the main metric."""
    ask: Ask
    """Kind of request for each query: generate a text, choose a candidate or embed the prompt."""
    template: Template | None = None
    """Wording of the prompts, recorded with the scores; None if no template is used."""
    name: str = ""
    """Name of the benchmark in folders and reports. A suite or `Evaluate` sets it."""
    supervised_encoder: str = ""
    """Note about an encoder that was trained with labels of the benchmark's classes; empty if there is none."""

    @abstractmethod
    def queries(self, setting: Setting) -> Sequence[Query]:
        """Returns all queries of a setting. Reading an item may raise `UserError`."""

    @abstractmethod
    def score(self, setting: Setting, answers: Mapping[str, Answer]) -> Scores:
        """Returns the scores of answers, given by query id. There may be fewer answers than queries."""

    def further_queries(self, setting: Setting, answers: Mapping[str, Answer]) -> Sequence[Query]:
        """Returns queries that depend on earlier answers, such as candidates to re-rank; none by default.

        They are asked after `queries`, and scored together with them. Then this is asked again with all answers, until
        it returns no query that is not answered. The same answers have to give the same queries.
        """
        return ()

    def settings(self) -> list[Setting]:
        """Returns the settings. Each is evaluated and scored separately."""
        return [Setting()]

    def bind(self, train: Mapping[str, Task], val: Mapping[str, Task]) -> None:  # noqa: B027
        """Takes what the benchmark needs from a run's tasks, given by name. Both are empty if there is no run.

        Raises:
            UserError: if a task that it needs is missing.
        """

    def prepare(self, progress: bool) -> None:  # noqa: B027
        """Prepares or checks data before queries are read. It may be called several times.

        Args:
            progress: whether to show a progress line.
        """

    def baselines(self, setting: Setting) -> dict[str, float]:
        """Returns scores that need no model, such as chance, on the scale of the main score."""
        return {}

    def scored_by(self, setting: Setting) -> dict[str, Any]:
        """Returns values that scores depend on and predictions do not; {} by default.

        They are recorded with the scores, so that the predictions can be scored again.
        """
        return {}

    def right(self, answer: Answer) -> float | None:
        """Returns how correct one answer is, from 0 to 1; None if this is undefined."""
        return None

    def tiles(self, setting: Setting, answers: Mapping[str, Answer]) -> Iterator[Tile]:
        """Yields the tiles of the gallery, by default each answer's text with its query's image; none for embeddings.

        Args:
            setting: the setting that was evaluated.
            answers: answers by query id, sorted by it.
        """
        tiles = answer_tiles(answers.values(), self.right) if self.ask.gives_text else iter(())
        return islice(tiles, MAX_TILES)

    def results(self, answers: Mapping[str, Answer]) -> list[dict[str, Any]]:
        """Converts answers, given by query id, to the format of the evaluation server: by default their texts."""
        return self.official({key: answer.text for key, answer in answers.items()})

    def official(self, texts: Mapping[str, str]) -> list[dict[str, Any]]:
        """Converts texts, given by query id, to the format of the task's evaluation server; [] if it has none."""
        return []
