"""Tasks (a data set and its template), and the streams of training and validation samples made from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from frozenvl.data.episodes.support import Support
from frozenvl.data.order import Order, Permutation
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example, Sample
from frozenvl.util.errors import UserError
from frozenvl.util.seeds import seed_from
from frozenvl.wording import Template


@dataclass
class Task:
    """A data set with its prompt template, its weight in the mixture and its in-context examples.

    Args:
        source: data set, by class path.
        template: prompt template for its examples.
        weight: weight in the training mixture: samples of this task among every (sum of all weights) samples.
        support: demonstrations in front of each training pair (few-shot training); none by default.
        objectives: names of the objectives that train on this task, of `model.objectives`; by default all.
    """

    source: Source
    template: Template = field(default_factory=Template)
    weight: int = 1
    support: Support | None = None
    objectives: Sequence[str] | None = None

    def __post_init__(self) -> None:
        # `TrainingStream` reports a source without pairs with the task's name.
        self._draw = self.support.bind(self.source) if self.support and self.source.pairs else None

    def sample(self, pair: int, others: Iterable[int] = (), seed: int = 0) -> Sample:
        """Makes the sample of one (image, text) pair, with its demonstrations in front.

        Args:
            pair: index of the pair in the source.
            others: indices of pairs to take demonstrations from; the first suitable ones are used.
            seed: seed of all other random choices.
        """
        example, target = self.source.pair(pair)
        query = self.source[example]
        shots: Sequence[Example] = ()
        learned: Sequence[int] = ()
        if self._draw is not None:
            shots, query, learned = self._draw(pair, query, others, Random(seed))
        made = self.template.sample(query, target, shots, learned)
        return made if self.objectives is None else replace(made, objectives=tuple(self.objectives))


class TrainingStream:
    """Endless stream of training samples from a mixture of tasks, indexed by position.

    Args:
        tasks: tasks by name.
        seed: seed of the order.
        change: function applied to each sample with its position, such as blinding or augmentation.
        by_image: whether all texts of an image stand together in the order.
        lanes: number of lanes that the shards of each data set are dealt to.

    Raises:
        UserError: if there is no task, or one has no pairs, no valid weight, or fewer shards than lanes.
    """

    def __init__(
        self,
        tasks: Mapping[str, Task],
        seed: int,
        change: Callable[[Sample, int], Sample] = lambda s, _: s,
        by_image: bool = False,
        lanes: int = 1,
    ) -> None:
        if not tasks:
            raise UserError("data.train is empty; name at least one task there")
        for name, task in tasks.items():
            if task.weight < 1:
                raise UserError(
                    f"data.train.{name}.weight is {task.weight}; it must be a whole number above 0"
                )
            if not task.source.pairs:
                raise UserError(f"data.train.{name}: {task.source.why_no_pairs()}")
        check_shards({name: task.source.shard_sizes for name, task in tasks.items()}, lanes)
        self.tasks = list(tasks.values())
        sources = [task.source for task in self.tasks]
        self.order = Order(
            [s.shard_sizes for s in sources],
            [t.weight for t in self.tasks],
            seed,
            [s.window for s in sources],
            [s.pairs_by_image() for s in sources] if by_image else None,
            lanes,
        )
        self.change = change
        self._windows: dict[tuple[int, int | None], tuple[int, int]] = {}
        """Index of a task and its lane → (epoch, window) that was prefetched last."""

    def __getitem__(self, position: int) -> Sample:
        return self.attempt(position, 0)

    def attempt(self, position: int, attempt: int) -> Sample:
        """Returns the sample at a position (attempt 0), or its replacement number `attempt` if that is unreadable."""
        index, turn = self.order.turn(position)
        order, task = self.order.sets[index], self.tasks[index]
        window, shards = order.near(turn)
        where = index, order.lane(turn)
        if self._windows.get(where) != window:
            self._windows[where] = window
            task.source.prefetch(shards)
        pair = order.replacement(turn, attempt) if attempt else order[turn]
        seed = seed_from("support", *order.seed, turn, attempt)
        sample = task.sample(pair, order.others(turn, attempt), seed)
        return self.change(sample.drawn(seed_from("frames", *order.seed, turn, attempt)), position)


def check_shards(sizes: Mapping[str, Sequence[int]], lanes: int) -> None:
    """Checks that each data set in shards has enough of them for `data.lanes`.

    Args:
        sizes: name of the task → number of pairs in each shard of its data set.
        lanes: number of lanes.

    Raises:
        UserError: if there is less than one lane, a data set has fewer shards than lanes, or none is in shards.
    """
    if lanes < 1:
        raise UserError(f"data.lanes is {lanes}; it must be at least 1")
    shards = {name: sum(size > 0 for size in counts) for name, counts in sizes.items()}
    if lanes > 1 and max(shards.values()) == 1:
        raise UserError(
            f"data.lanes is {lanes}, but no data set of data.train is in several shards; leave it out"
        )
    for name, count in shards.items():
        if 1 < count < lanes:
            raise UserError(
                f"data.lanes is {lanes}, but data.train.{name} has only {count} shards; lower it to {count} or less"
            )


class ValidationPairs:
    """All (image, text) pairs of the validation tasks, once each, in a fixed shuffle: any slice is a fair sample."""

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
