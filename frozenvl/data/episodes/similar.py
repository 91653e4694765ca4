"""Demonstrations retrieved by image similarity (RICES)."""

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
    """Demonstrations whose images are most similar to the query's, the most similar one next to the query.

    RICES (Yang et al. 2022).

    Args:
        encoder: visual encoder whose mean-pooled features are compared by cosine similarity. It is independent of the
            evaluated model, and recorded in the score's provenance.
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
        query_images, pool_images = (
            [source[i].image for i in range(len(source))] for source in (queries, pool)
        )
        images = list(dict.fromkeys([*query_images, *pool_images]))
        frames = [frame for image in images for frame in frames_of(image)]
        with torch.no_grad():
            reader = cache.fill(frames, pixels, self.encoder.eval(), progress=progress)
        self._features = {image: self._vector(reader, image) for image in images}
        self._pool = torch.stack([self._features[image] for image in pool_images])

    def _vector(self, reader: ImageReader, image: Image) -> torch.Tensor:
        """Returns the unit feature vector (channels,) of an image, or of a video's frames; zeros if unreadable."""
        try:
            return normalize(reader(image.frames).float().flatten(0, 1).mean(0), dim=0)
        except UnreadableImage:
            return torch.zeros(self.encoder.channels)

    def draw(self, query: Example, pool: Source, shots: int, seed: int) -> list[Example]:
        order = by_likeness(self._pool @ self._features[query.image], min(len(pool), 8 * shots))
        return pick(order, pool, shots, lambda example: example.image_id != query.image_id, f"for {query.id}")

    def provenance(self) -> dict[str, Any]:
        return {"similar_by": f"{self.encoder.name}, {self.encoder.fingerprint}"}


def frames_of(image: Image) -> tuple[Image, ...]:
    """Returns the frames of an image; none if it is a video that cannot be opened."""
    try:
        return image.frames
    except UnreadableImage:
        return ()


def by_likeness(likeness: torch.Tensor, first: int) -> Iterator[int]:
    """Yields indices from the highest similarity to the lowest. Sorts all only after the `first` few are used up."""
    nearest = most(likeness, first)
    yield from nearest
    yield from likeness.argsort(descending=True, stable=True)[len(nearest) :].tolist()


def most(values: torch.Tensor, number: int) -> list[int]:
    """Returns the indices of the `number` highest values and of ties with the last, highest first, ties by index."""
    highest = (values >= values.topk(number).values[-1]).nonzero()[:, 0]
    return highest[values[highest].argsort(descending=True, stable=True)].tolist()
