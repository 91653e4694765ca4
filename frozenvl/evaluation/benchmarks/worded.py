"""Base class of benchmarks with a template. Their queries come from a task of the run or from a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from frozenvl.data.stream import Task
from frozenvl.evaluation.asks import Ask, Generate
from frozenvl.evaluation.benchmarks.sourced import Sourced
from frozenvl.util.errors import UserError
from frozenvl.wording import Template


class Worded(Sourced):
    """Benchmark whose prompts are made by a template.

    Args:
        ask: request type. `Generate` takes its stop texts from the template.
        task: name in `data.val` of the task that queries come from; None if they come from `source`.
        source: data set of the queries; None if they come from `task`.
        template: wording of the queries; by default the task's.
        supervised_encoder: note about an encoder that was trained with labels of the benchmark's classes.
    """

    template: Template
    words: ClassVar[tuple[str, ...]] = ("image", "question")
    """Fields that the template's query must contain."""
    why: ClassVar[str] = "the model would not see it (to leave images out, use --views text-only)"
    """Reason why these fields are needed, for the error message."""

    def __init__(
        self,
        ask: Ask,
        task: str | None,
        source: Any,
        template: Template | None,
        supervised_encoder: str = "",
    ) -> None:
        super().__init__(task, source, supervised_encoder)
        self._own_template = template
        self._take(ask, template or Template())

    def _take(self, ask: Ask, template: Template) -> None:
        self.template = template
        self.ask = replace(ask, stop=template.stops) if isinstance(ask, Generate) else ask

    def bind(self, train: Mapping[str, Task], val: Mapping[str, Task]) -> None:
        """Takes the source and the template from the run's task, unless the benchmark has its own.

        Raises:
            UserError: if there is no such task, or the template lacks one of `words`.
        """
        super().bind(train, val)
        if self.task is not None:
            self._take(self.ask, self._own_template or val[self.task].template)
        for word in self.words:
            if f"{{{word}}}" not in self.template.query:
                raise UserError(
                    f"{type(self).__name__}: template.query is {self.template.query!r}, without {{{word}}}: {self.why}"
                )


def induced(texts: Sequence[str], text: str) -> str:
    """Returns the suffix of a setting's name for its induction text: "", "-induced", or "-induced2" of several."""
    inductions = [induction for induction in texts if induction]
    return "" if not text else "-induced" + (str(inductions.index(text) + 1) if len(inductions) > 1 else "")
