"""Benchmarks that a template words: their queries come from a task of the run, or from a source of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from frozenvl.data.stream import Task
from frozenvl.evaluation.asks import Ask, Generate
from frozenvl.evaluation.benchmark import Benchmark
from frozenvl.util.errors import UserError
from frozenvl.wording import Template


class Worded(Benchmark):
    """A benchmark that a template words.

    Args:
        ask: what is asked. The stop texts of generated answers are the template's.
        task: name in `data.val` of the task that queries come from; or else
        source: where queries come from.
        template: how queries are worded; by default as the task words them.
        supervised_encoder: a note on an encoder that was trained with labels on what is asked.
    """

    template: Template
    words: ClassVar[tuple[str, ...]] = ("image", "question")
    """Fields that the template has to have."""
    why: ClassVar[str] = "what is asked would not be shown (views leave images out, templates do not)"

    def __init__(
        self,
        ask: Ask,
        task: str | None,
        source: Any,
        template: Template | None,
        supervised_encoder: str = "",
    ) -> None:
        if task is not None and source is not None:
            raise UserError(
                f"{type(self).__name__}: give it a task of data.val or a source of its own, not both"
            )
        self.name = task or self.protocol
        self.task, self.source, self.supervised_encoder = task, source, supervised_encoder
        self._own_template = template
        self._take(ask, template or Template())

    def _take(self, ask: Ask, template: Template) -> None:
        self.template = template
        self.ask = replace(ask, stop=template.stop) if isinstance(ask, Generate) else ask

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
            self._take(self.ask, self._own_template or val[self.task].template)
        for word in self.words:
            if f"{{{word}}}" not in self.template.query:
                raise UserError(
                    f"{type(self).__name__}: template.query is {self.template.query!r}, without {{{word}}}: {self.why}"
                )


def induced(texts: Sequence[str], text: str) -> str:
    """The part of a setting's name that stands for its induction text, one of several."""
    several = [each for each in texts if each]
    return "" if not text else "-induced" + (str(several.index(text) + 1) if len(several) > 1 else "")
