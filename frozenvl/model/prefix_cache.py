"""Cache of prefix vectors: each image is read, encoded and mapped once, however many prompts contain it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from frozenvl.model.batch import Stage
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.processor import ImageReader
from frozenvl.model.vision.finite import finite_rows, not_finite
from frozenvl.model.vision.fixed_batches import BATCH, in_fixed_batches
from frozenvl.prompt import Image


class PrefixCache:
    """Image reader that gives prefix vectors and caches them. It is valid as long as no weight changes.

    An image's vectors are bit-identical whatever other images are computed with it.

    Args:
        model: model in eval mode.
        reader: image reader that gives pixels or features.
        batch: number of images that are computed together.
        limit: maximal size of the cache, in bytes; the least recently used vectors are dropped first.
    """

    stage: Stage = "prefixes"

    def __init__(self, model: FrozenVL, reader: ImageReader, batch: int = BATCH, limit: int = 2**30) -> None:
        self.model, self.reader, self.batch, self.limit = model, reader, batch, limit
        self._kept: OrderedDict[Image, Tensor] = OrderedDict()
        self._bytes = 0

    def __call__(self, images: Sequence[Image]) -> Tensor:
        """Returns the prefix vectors (N, k, dim).

        Raises:
            UnreadableImage: if an image cannot be read, or its features hold NaN or infinity; its `image` names it.
                Vectors computed before are cached.
        """
        vectors = {image: self._kept[image] for image in images if image in self._kept}
        missing = [image for image in dict.fromkeys(images) if image not in vectors]
        try:
            for start in range(0, len(missing), self.batch):
                batch = missing[start : start + self.batch]
                vectors |= zip(batch, self._compute(batch), strict=True)
        finally:
            self._keep(vectors)
        return torch.stack([vectors[image] for image in images]) if images else self._compute([])

    @torch.no_grad()
    def _compute(self, images: Sequence[Image]) -> Tensor:
        rows = self.reader(images).to(self.model.device)
        finite: list[Tensor] = []
        check = lambda features: finite.append(finite_rows(features))
        vectors = partial(self.model.vectors, stage=self.reader.stage, check=check)
        computed = in_fixed_batches(vectors, rows, self.batch).cpu()
        for image, usable in zip(
            images, torch.cat(finite).tolist(), strict=False
        ):  # padding follows the images
            if not usable:
                raise not_finite(image, self.model.vision.name)
        return computed

    def _keep(self, computed: dict[Image, Tensor]) -> None:
        for image, vectors in computed.items():
            if image not in self._kept:
                # A view would keep its whole batch in memory.
                self._kept[image] = vectors.clone()
                self._bytes += vectors.nbytes
            self._kept.move_to_end(image)
        while self._bytes > self.limit:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
