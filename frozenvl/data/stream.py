"""Tasks: a data set and its wording; and which sample of them stands at a position."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random

from frozenvl.data.episodes.support import Support
from frozenvl.data.order import Order, Permutation, seed_from
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Sample
from frozenvl.util.errors import UserError
from frozenvl.wording import Template


@dataclass
class Task:
    """A data set and how it is worded.

    Args:
        source: the data set, by class path.
        template: how its examples are worded.
        weight: how many of its pairs stand among as many positions as all weights add up to (training).
        support: what stands before each pair when it is trained on, which makes it an episode; by default nothing.
    """

    source: Source
    template: Template = field(default_factory=Template)
    weight: int = 1
    support: Support | None = None

    def __post_init__(self) -> None:
        # What is empty is said of the source where it is trained on.
        self._draw = self.support.bind(self.source) if self.support and self.source.pairs else None

    def sample(self, pair: int, others: Iterable[int] = (), seed: int = 0) -> Sample:
        """The worded (image, text) pair at an index of the source, after its support.

        Args:
            others: pairs that the support may be taken from, the first that fit.
            seed: of what else is drawn.
        """
        example, target = self.source.pair(pair)
        query = self.source[example]
        if self._draw is None:
            return self.template.sample(query, target)
        shots, query, learned = self._draw(pair, query, others, Random(seed))
        return self.template.sample(query, target, shots, learned)


class TrainingStream:
    """The samples of a mixture of tasks by position, without end.

    Args:
        tasks: by name.
        seed: of the order.
        change: applied to each sample with its position: blindness, augmentation.
    """

    def __init__(
        self, tasks: Mapping[str, Task], seed: int, change: Callable[[Sample, int], Sample] = lambda s, _: s
    ) -> None:
        if not tasks:
            raise UserError("data.train is empty; name at least one task there")
        for name, task in tasks.items():
            if task.weight < 1:
                raise UserError(
                    f"data.train.{name}.weight is {task.weight}; it must be a whole number above 0"
                )
            if not task.source.pairs:
                raise UserError(f"data.train.{name}: its source is empty")
        self.tasks = list(tasks.values())
        sources = [task.source for task in self.tasks]
        self.order = Order(
            [s.shard_sizes for s in sources],
            [t.weight for t in self.tasks],
            seed,
            [s.window for s in sources],
        )
        self.change = change
        self._near: dict[int, tuple[int, int]] = {}

    def __getitem__(self, position: int) -> Sample:
        return self.attempt(position, 0)

    def attempt(self, position: int, attempt: int) -> Sample:
        """The sample at a position; from attempt 1 on, what replaces one that cannot be read."""
        which, turn = self.order.turn(position)
        order, task = self.order.sets[which], self.tasks[which]
        window, shards = order.near(turn)
        if self._near.get(which) != window:
            self._near[which] = window
            task.source.prefetch(shards)
        pair = order.replacement(turn, attempt) if attempt else order[turn]
        seed = seed_from("support", *order.seed, turn, attempt)
        return self.change(task.sample(pair, order.others(turn, attempt), seed), position)


class ValidationPairs:
    """All (image, text) pairs of some tasks, each once, in one fixed mixed order: a part is a fair sample."""

    def __init__(
        self, tasks: Mapping[str, Task], change: Callable[[Sample, int], Sample] = lambda s, _: s
    ) -> None:
        self.where = [(task, pair) for task in tasks.values() for pair in range(task.source.pairs)]
        self.permutation = Permutation(len(self.where), "validation")
        self.change = change

    def __len__(self) -> int:
        return len(self.where)

    def __getitem__(self, position: int) -> Sample:
        task, pair = self.where[self.permutation[position]]
        others = Permutation(task.source.pairs, "others", "validation", pair)
        return self.change(task.sample(pair, others, seed_from("support", "validation", pair)), position)
