"""Base class of benchmarks whose images come from a task of the run or from a source of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from frozenvl.data.order import mixed
from frozenvl.data.stream import Task
from frozenvl.evaluation.benchmark import Benchmark
from frozenvl.evaluation.query import Answer, Query
from frozenvl.metrics.vectors import unit_vectors
from frozenvl.util.errors import UserError


class Sourced(Benchmark):
    """Benchmark on the examples of a task of `data.val`, or of a source.

    Args:
        task: name in `data.val` of the task whose examples are read; None if they come from `source`.
        source: data set of the examples; None if they come from `task`.
        supervised_encoder: note about an encoder that was trained with labels of the benchmark's classes.
    """

    def __init__(self, task: str | None, source: Any, supervised_encoder: str = "") -> None:
        if task is not None and source is not None:
            raise UserError(
                f"{type(self).__name__}: give it a task of data.val or a source of its own, not both"
            )
        self.name = task or self.protocol
        self.task, self.source, self.supervised_encoder = task, source, supervised_encoder

    def bind(self, train: Mapping[str, Task], val: Mapping[str, Task]) -> None:
        """Takes the source from the run's task. Raises `UserError` if there is no such task."""
        if self.task is None:
            return
        if self.task not in val:
            names = ", ".join(val) or "none"
            raise UserError(f"{type(self).__name__}: no task {self.task!r} in data.val (there are: {names})")
        self.source = val[self.task].source


@contextmanager
def named_errors(name: str) -> Iterator[None]:
    """Puts the name of a benchmark before the message of a `UserError`."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{name}: {error}") from None


def own_name(task: str | None, usual: str, protocol: str) -> str:
    """Returns the name of a benchmark that stands beside another one on the same task, such as captions.

    It is the protocol, behind the task's name unless that is the usual one: "retrieval", "coco_retrieval".
    """
    return protocol if task in (None, usual) else f"{task}_{protocol}"


def placed(queries: Sequence[Query]) -> list[Query]:
    """Returns queries in an order of which a limited evaluation asks the first ones (`--limit`).

    A limited evaluation asks a sample of queries, drawn by position. Here the sample is always the beginning of
    `queries`, so that things that are scored together, such as an image and its captions, are asked together.
    """
    made = list(queries)
    for query, place in zip(queries, mixed(len(queries)), strict=True):
        made[place] = query
    return made


def vectors_of(answers: Sequence[Answer | None]) -> np.ndarray:
    """Returns the vectors (answers, dim) in fp64, of length 1; a row of nan for an answer without one."""
    return unit_vectors([answer.vector if answer else None for answer in answers])
