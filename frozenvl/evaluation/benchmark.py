"""A benchmark: what is asked, how it is worded, how an answer ends, how it is scored.

It runs as a Lightning callback at the end of each validation and test, or afterwards by `frozenvl evaluate`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import lightning as L

from frozenvl.data.stream import Task
from frozenvl.evaluation.requests import check, name_of
from frozenvl.evaluation.runner import evaluate
from frozenvl.evaluation.session import Context, in_loop
from frozenvl.prompt import Image, Prompt
from frozenvl.training.datamodule import FrozenData
from frozenvl.training.module import FrozenModule
from frozenvl.util.errors import UserError
from frozenvl.wording import Template

Record = dict[str, Any]
"""A query and what was generated for it: a line of predictions.jsonl."""


class Scores(Protocol):
    """What a metric returns."""

    @property
    def scores(self) -> Mapping[str, float]: ...

    def intervals(self) -> Mapping[str, tuple[float, float]]: ...


@dataclass(frozen=True)
class Setting:
    """One way of asking a benchmark's queries: a score of its own."""

    name: str
    """Appended to the benchmark's; may be empty."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Shots, ways, seed …: whatever applies."""


@dataclass(frozen=True)
class Query:
    """A prompt to answer, and what is known about it."""

    id: str
    prompt: Prompt
    image: Image
    """The image asked about."""
    image_id: str
    references: tuple[str, ...]
    question: str = ""
    kind: dict[str, str] = field(default_factory=dict)
    shared: int = 0
    """How many leading parts of the prompt all queries of its setting share."""
    scores: dict[str, float] = field(default_factory=dict)
    """Soft scores of answers, where there are such."""
    candidates: tuple[str, ...] = ()
    """Answers to choose among by likelihood; without any, the answer is generated."""


class Benchmark(L.Callback, ABC):
    """What all benchmarks have.

    Args:
        task: the name in `data.val` of the task that is evaluated in the loop; or else
        source: what is asked.
        template: how it is worded; by default the task's.
        max_new_tokens: length limit of a text.
        decoding: options of transformers' `generate`; none is greedy decoding.
        supervised_encoder: what to say of an encoder that was trained on what is asked here with labels.
    """

    protocol: ClassVar[str]
    """What kind of benchmark it is."""
    main: ClassVar[str]
    """The score that stands for the others."""
    words: ClassVar[tuple[str, ...]] = ("image", "question")
    """What its wording has to have in braces."""
    why: ClassVar[str] = "what is asked would not be shown (views leave images out, templates do not)"
    likelihood: Literal["sum", "mean", "calibrated"] | None = None
    """How candidates are compared, where queries have any: by the log-probability summed over their tokens, its mean,
    or the sum less that on black images."""

    def __init__(
        self,
        task: str | None,
        source: Any | None,
        template: Template | None,
        max_new_tokens: int,
        decoding: dict[str, Any] | None,
        supervised_encoder: str = "",
    ) -> None:
        if task is not None and source is not None:
            raise UserError(
                f"{type(self).__name__}: give it a task of data.val or a source of its own, not both"
            )
        if max_new_tokens < 1:
            raise UserError(
                f"{type(self).__name__}: max_new_tokens is {max_new_tokens}; an answer needs one at least"
            )
        check_decoding(type(self).__name__, decoding or {})
        self.name: str = task or self.protocol
        self.task, self.max_new_tokens, self.decoding = task, max_new_tokens, decoding or {}
        self.source: Any = source
        self.template: Template = template or Template()
        self._own_template = template is not None
        self.supervised_encoder = supervised_encoder

    # What a benchmark says

    @abstractmethod
    def settings(self) -> list[Setting]:
        """Each is evaluated and scored on its own."""

    @abstractmethod
    def size(self, setting: Setting) -> int:
        """Number of queries."""

    @abstractmethod
    def query(self, setting: Setting, index: int) -> Query:
        """Query `index` of a setting. Raises `UnreadableImage` where its demonstrations cannot be made."""

    @abstractmethod
    def score(self, setting: Setting, records: Mapping[str, Record]) -> Scores:
        """The scores of records by query id; they may be a part of all."""

    @abstractmethod
    def official(self, texts: Mapping[str, str]) -> list[dict[str, Any]]:
        """Texts by query id in the results layout of the task's own evaluation server."""

    def baselines(self, setting: Setting) -> dict[str, float]:
        """What is scored without a model, on the main score's scale."""
        return {}

    def circumstances(self, setting: Setting) -> dict[str, Any]:
        """What else its scores depend on."""
        return {}

    def prepare(self, context: Context) -> None:
        """Called once before its queries are asked for."""

    def right(self, record: Record) -> float | None:
        """How right one answer is, from 0 to 1, where that can be said of one."""
        return None

    # How it runs in the loop

    def bind(self, train: Mapping[str, Task], val: Mapping[str, Task]) -> None:
        """Takes source and wording from a run's tasks, where it has none of its own.

        Raises:
            UserError: where there is no such task, or the wording leaves out what is asked.
        """
        if self.task is not None:
            if self.task not in val:
                known = ", ".join(val) or "none"
                raise UserError(
                    f"{type(self).__name__}: no task {self.task!r} in data.val (there are: {known})"
                )
            self.source = val[self.task].source
            if not self._own_template:
                self.template = val[self.task].template
        for word in self.words:
            if f"{{{word}}}" not in self.template.query:
                raise UserError(
                    f"{type(self).__name__}: template.query is {self.template.query!r}, without {{{word}}}: {self.why}"
                )

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Says before the run what could not work."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, FrozenData) or not isinstance(pl_module, FrozenModule):
            raise UserError(f"{type(self).__name__} evaluates a FrozenModule on FrozenData")
        self.bind(data.train, data.val)
        refuse_twins(callback for callback in trainer.callbacks if isinstance(callback, Benchmark))  # type: ignore[attr-defined]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        context = in_loop(trainer, pl_module)
        self.prepare(context)
        for setting in self.settings():
            check(self, setting, context)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.sanity_checking:
            self.on_test_epoch_end(trainer, pl_module)

    def on_test_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        context = in_loop(trainer, pl_module)
        self.prepare(context)
        for setting in self.settings():
            evaluate(self, setting, context)


def refuse_twins(benchmarks: Iterable[Benchmark]) -> None:
    """Raises `UserError` where two evaluations have one name: the second would overwrite the first."""
    names = Counter(
        name_of(benchmark, setting) for benchmark in benchmarks for setting in benchmark.settings()
    )
    if twins := [name for name, times in names.items() if times > 1]:
        raise UserError(
            f"two evaluations are called {twins[0]}; ask for each number of shots, seed, induction and number of "
            "repeats once, and run benchmarks of one kind on one task by `frozenvl evaluate`, which names them"
        )


def check_decoding(who: str, options: Mapping[str, Any]) -> None:
    """Raises `UserError` where transformers' `generate` has no such option."""
    if not options:
        return
    from transformers import GenerationConfig

    if unknown := sorted(options.keys() - GenerationConfig().to_dict().keys()):
        raise UserError(f"{who}: decoding has {unknown[0]!r}, which is no option of transformers' `generate`")


def induced(texts: Sequence[str], text: str) -> str:
    """What the name of a setting says of its induction."""
    several = [each for each in texts if each]
    return "" if not text else "-induced" + (str(several.index(text) + 1) if len(several) > 1 else "")
