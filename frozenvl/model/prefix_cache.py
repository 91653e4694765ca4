"""Prefix vectors by image: each image is read, encoded and mapped once, however many prompts hold it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from frozenvl.model.batch import Stage
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.processor import ImageReader
from frozenvl.model.vision.fixed_batches import BATCH, in_fixed_batches
from frozenvl.prompt import Image


class PrefixCache:
    """An image reader that gives prefix vectors, and keeps them: for as long as no weight changes.

    An image's vectors do not depend, bit by bit, on the images beside it.

    Args:
        model: in eval mode.
        reader: gives what they are computed of.
        batch: images that are computed together.
        limit: bytes to keep; those that were asked for longest ago go first.
    """

    stage: Stage = "prefixes"

    def __init__(self, model: FrozenVL, reader: ImageReader, batch: int = BATCH, limit: int = 2**30) -> None:
        self.model, self.reader, self.batch, self.limit = model, reader, batch, limit
        self._kept: OrderedDict[Image, Tensor] = OrderedDict()
        self._bytes = 0

    def __call__(self, images: Sequence[Image]) -> Tensor:
        """(N, k, dim).

        Raises:
            UnreadableImage: with the image that it is about; what was computed before is kept.
        """
        found = {image: self._kept[image] for image in images if image in self._kept}
        missing = [image for image in dict.fromkeys(images) if image not in found]
        try:
            for start in range(0, len(missing), self.batch):
                some = missing[start : start + self.batch]
                found |= zip(some, self._compute(some), strict=True)
        finally:
            self._keep(found)
        return torch.stack([found[image] for image in images]) if images else self._compute([])

    @torch.no_grad()
    def _compute(self, images: Sequence[Image]) -> Tensor:
        rows = self.reader(images).to(self.model.device)
        vectors = partial(self.model.vectors, stage=self.reader.stage)
        return in_fixed_batches(vectors, rows, self.batch).cpu()

    def _keep(self, found: dict[Image, Tensor]) -> None:
        for image, vectors in found.items():
            if image not in self._kept:
                # A row of its own: a view would keep its whole batch.
                self._kept[image] = vectors.clone()
                self._bytes += vectors.nbytes
            self._kept.move_to_end(image)
        while self._bytes > self.limit:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
