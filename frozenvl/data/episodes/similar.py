"""Demonstrations whose images are most like the query's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.nn.functional import normalize

from frozenvl.data.episodes.demonstrations import Demonstrations, pick
from frozenvl.data.sources.source import Source
from frozenvl.model.processor import ImageReader, Pixels
from frozenvl.model.vision import PixelEncoder
from frozenvl.model.vision.feature_cache import FeatureCache
from frozenvl.prompt import Example, Image
from frozenvl.util.errors import UnreadableImage


class MostSimilar(Demonstrations):
    """Chooses the examples whose images are most similar to the query's image, the most similar next to the query
    (RICES, Yang et al. 2022).

    Args:
        encoder: whose mean-pooled features are compared by cosine; named in the score's provenance, and the
            same for all models.
    """

    mode = "rices"
    seeded = False

    def __init__(self, encoder: PixelEncoder) -> None:
        self.encoder = encoder

    def prepare(self, queries: Source, pool: Source, progress: Callable[[int, int], None]) -> None:
        pixels = Pixels(self.encoder.size)
        cache = FeatureCache(
            f"{self.encoder.fingerprint} {pixels.version}",
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

    def provenance(self) -> dict[str, Any]:
        return {"similar_by": f"{self.encoder.name}, {self.encoder.fingerprint}"}


def by_likeness(likeness: torch.Tensor, first: int) -> Iterator[int]:
    """Places from the highest value to the lowest; all are sorted only where the `first` few do not do."""
    near = most(likeness, first)
    yield from near
    yield from likeness.argsort(descending=True, stable=True)[len(near) :].tolist()


def most(values: torch.Tensor, number: int) -> list[int]:
    """Places of the highest values, highest first, the first of equal ones first; a few more than asked for."""
    among = (values >= values.topk(number).values[-1]).nonzero()[:, 0]
    return among[values[among].argsort(descending=True, stable=True)].tolist()
