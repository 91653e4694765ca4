"""Demonstrations: which complete examples stand before a query. Never one about the query's own image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn.functional import normalize

from frozenvl.data.order import Permutation
from frozenvl.data.sources.source import Source
from frozenvl.data.tasks import demonstrations
from frozenvl.errors import UnreadableImage, UserError
from frozenvl.model.features import FeatureCache
from frozenvl.model.processor import ImageReader, Pixels
from frozenvl.model.vision import VisionEncoder
from frozenvl.prompt import Example, Image


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
        return demonstrations(query, pool, shots, seed)


class Fixed(Demonstrations):
    """One support set for all queries, about images that no query asks about: its keys and values are computed once."""

    mode = "fixed"
    shared = True

    def prepare(self, queries: Source, pool: Source, progress: Callable[[int, int], None]) -> None:
        self._asked = {queries[index].image_id for index in range(len(queries))}

    def draw(self, query: Example, pool: Source, shots: int, seed: int) -> list[Example]:
        order = Permutation(len(pool), "support", seed)
        chosen: list[Example] = []
        for place in range(len(pool)):
            if len(chosen) == shots:
                break
            candidate = pool[order[place]]
            if candidate.targets and candidate.image_id not in self._asked:
                chosen.append(candidate)
        if len(chosen) < shots:
            raise UserError(
                f"{shots} shots asked for, but the pool has only {len(chosen)} examples about other images"
            )
        return chosen[::-1]


class MostSimilar(Demonstrations):
    """Those whose images are most like the query's, the most similar next to it (RICES, Yang et al. 2022).

    Args:
        encoder: whose mean-pooled features are compared by cosine; named in the score's circumstances, and the
            same for all models.
    """

    mode = "rices"

    def __init__(self, encoder: VisionEncoder) -> None:
        self.encoder = encoder

    def prepare(self, queries: Source, pool: Source, progress: Callable[[int, int], None]) -> None:
        pixels = Pixels(self.encoder.size)
        cache = FeatureCache(
            f"{self.encoder.identity} {pixels.version}",
            (self.encoder.tokens, self.encoder.channels),
            torch.float32,
        )
        examples = [source[index] for source in (queries, pool) for index in range(len(source))]
        images = list(dict.fromkeys(example.image for example in examples))
        with torch.no_grad():
            read = cache.fill(images, pixels, self.encoder.eval(), progress=progress)
        self._features = {image: self._vector(read, image) for image in images}
        self._pool = torch.stack([self._features[pool[index].image] for index in range(len(pool))])

    def _vector(self, read: ImageReader, image: Image) -> torch.Tensor:
        """(channels,) of length 1; of an unreadable image 0, which is like nothing."""
        try:
            return normalize(read([image])[0].float().mean(0), dim=0)
        except UnreadableImage:
            return torch.zeros(self.encoder.channels)

    def draw(self, query: Example, pool: Source, shots: int, seed: int) -> list[Example]:
        likeness = self._pool @ self._features[query.image]
        chosen: list[Example] = []
        for index in likeness.argsort(descending=True, stable=True).tolist():
            if len(chosen) == shots:
                break
            candidate = pool[index]
            if candidate.targets and candidate.image_id != query.image_id:
                chosen.append(candidate)
        if len(chosen) < shots:
            raise UserError(f"{shots} shots asked for, but the pool has only {len(chosen)} for {query.id}")
        return chosen[::-1]

    def circumstances(self) -> dict[str, Any]:
        return {"similar_by": self.encoder.identity}


def seeds_of(way: Demonstrations, shots: int, seeds: Sequence[int]) -> Sequence[int]:
    """The seeds that make a difference."""
    return seeds[:1] if not shots or isinstance(way, MostSimilar) else seeds
