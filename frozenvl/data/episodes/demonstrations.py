"""Demonstrations: which complete examples stand before a query. Never one about the query's own image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from torch.nn.functional import normalize

from frozenvl.data.order import Permutation
from frozenvl.data.sources.source import Source
from frozenvl.model.processor import ImageReader, Pixels
from frozenvl.model.vision import PixelEncoder
from frozenvl.model.vision.feature_cache import FeatureCache
from frozenvl.prompt import Example, Image
from frozenvl.util.errors import UnreadableImage, UserError


class Demonstrations(ABC):
    """How the demonstrations of a query are chosen. Draws nest: the 2 are among the 4, next to the query."""

    mode: str
    shared = False
    """Whether all queries have the same."""

    def prepare(self, queries: Source, pool: Source, progress: Callable[[int, int], None]) -> None:  # noqa: B027
        """Called once before the first draw."""

    @abstractmethod
    def draw(self, query: Example, pool: Source, shots: int, seed: int) -> list[Example]:
        """`shots` examples, the one next to the query last. Raises `UserError` where the pool holds too few."""

    def circumstances(self) -> dict[str, Any]:
        return {}


class PerQuestion(Demonstrations):
    """At random for each query, from hash(seed, query's id)."""

    mode = "per_question"

    def draw(self, query: Example, pool: Source, shots: int, seed: int) -> list[Example]:
        order = Permutation(len(pool), "demonstrations", seed, query.id)
        return pick(order, pool, shots, lambda other: other.image_id != query.image_id, f"for {query.id}")


class Fixed(Demonstrations):
    """One support set for all queries, about images that no query asks about: its keys and values are computed once."""

    mode = "fixed"
    shared = True

    def prepare(self, queries: Source, pool: Source, progress: Callable[[int, int], None]) -> None:
        self._asked = set(queries.image_ids() or (queries[i].image_id for i in range(len(queries))))
        self._drawn: dict[tuple[int, int], list[Example]] = {}

    def draw(self, query: Example, pool: Source, shots: int, seed: int) -> list[Example]:
        if (shots, seed) not in self._drawn:
            order = Permutation(len(pool), "support", seed)
            apart = lambda other: other.image_id not in self._asked
            self._drawn[shots, seed] = pick(order, pool, shots, apart, "about other images")
        return self._drawn[shots, seed]


class MostSimilar(Demonstrations):
    """Those whose images are most like the query's, the most similar next to it (RICES, Yang et al. 2022).

    Args:
        encoder: whose mean-pooled features are compared by cosine; named in the score's circumstances, and the
            same for all models.
    """

    mode = "rices"

    def __init__(self, encoder: PixelEncoder) -> None:
        self.encoder = encoder

    def prepare(self, queries: Source, pool: Source, progress: Callable[[int, int], None]) -> None:
        pixels = Pixels(self.encoder.size)
        cache = FeatureCache(
            f"{self.encoder.identity} {pixels.version}",
            (self.encoder.tokens, self.encoder.channels),
            torch.float32,
        )
        asked, kept = ([source[i].image for i in range(len(source))] for source in (queries, pool))
        images = list(dict.fromkeys([*asked, *kept]))
        with torch.no_grad():
            read = cache.fill(images, pixels, self.encoder.eval(), progress=progress)
        self._features = {image: self._vector(read, image) for image in images}
        self._pool = torch.stack([self._features[image] for image in kept])

    def _vector(self, read: ImageReader, image: Image) -> torch.Tensor:
        """(channels,) of length 1; of an unreadable image 0, which is like nothing."""
        try:
            return normalize(read([image])[0].float().mean(0), dim=0)
        except UnreadableImage:
            return torch.zeros(self.encoder.channels)

    def draw(self, query: Example, pool: Source, shots: int, seed: int) -> list[Example]:
        order = by_likeness(self._pool @ self._features[query.image], min(len(pool), 8 * shots))
        return pick(order, pool, shots, lambda other: other.image_id != query.image_id, f"for {query.id}")

    def circumstances(self) -> dict[str, Any]:
        return {"similar_by": f"{self.encoder.name}, {self.encoder.identity}"}


def pick(
    order: Iterable[int], pool: Source, shots: int, allowed: Callable[[Example], bool], what: str
) -> list[Example]:
    """The first `shots` examples of a pool in some order that have an answer and are allowed, the first one last.

    Raises:
        UserError: where there are fewer; `what` says of which kind.
    """
    fitting = (other for other in (pool[index] for index in order) if other.targets and allowed(other))
    chosen = list(islice(fitting, shots))
    if len(chosen) < shots:
        raise UserError(f"{shots} shots asked for, but the pool has only {len(chosen)} examples {what}")
    return chosen[::-1]


def by_likeness(likeness: torch.Tensor, first: int) -> Iterator[int]:
    """Places from the highest value to the lowest; all are sorted only where the `first` few do not do."""
    near = most(likeness, first)
    yield from near
    yield from likeness.argsort(descending=True, stable=True)[len(near) :].tolist()


def most(values: torch.Tensor, number: int) -> list[int]:
    """Places of the highest values, highest first, the first of equal ones first; a few more than asked for."""
    among = (values >= values.topk(number).values[-1]).nonzero()[:, 0]
    return among[values[among].argsort(descending=True, stable=True)].tolist()


def seeds_of(way: Demonstrations, shots: int, seeds: Sequence[int]) -> Sequence[int]:
    """The seeds that make a difference."""
    return seeds[:1] if not shots or isinstance(way, MostSimilar) else seeds
