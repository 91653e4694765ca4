"""Cache of prefix vectors: each image is read, encoded and mapped once, however many prompts contain it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from frozenvl.model.batch import Stage
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.processor import ImageReader
from frozenvl.model.views import View, images_of, indices
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
        self._kept: OrderedDict[View, Tensor] = OrderedDict()
        self._bytes = 0

    def __call__(self, images: Sequence[Image]) -> Tensor:
        """Returns the prefix vectors (N, k, dim) of images.

        Raises:
            UnreadableImage: if an image cannot be read, or its features hold NaN or infinity; its `image` names it.
                Vectors computed before are cached.
        """
        return self.of_views([View((image,)) for image in images])

    def of_views(self, views: Sequence[View]) -> Tensor:
        """Returns the prefix vectors (M, k, dim) of images and of views of videos. Raises as a call does."""
        vectors = {view: self._kept[view] for view in views if view in self._kept}
        missing = [view for view in dict.fromkeys(views) if view not in vectors]
        try:
            # Views of one number of frames are computed together: no padding, which could change last digits.
            for frames, numbered in dict.fromkeys((len(view.frames), view.first >= 0) for view in missing):
                alike = [
                    view for view in missing if (len(view.frames), view.first >= 0) == (frames, numbered)
                ]
                compute = self._compute_views if numbered else self._compute
                for start in range(0, len(alike), self.batch):
                    batch = alike[start : start + self.batch]
                    vectors |= zip(batch, compute(batch), strict=True)
        finally:
            self._keep(vectors)
        return torch.stack([vectors[view] for view in views]) if views else self._compute([])

    @torch.no_grad()
    def _compute(self, views: Sequence[View]) -> Tensor:
        """Computes the vectors of views that are images."""
        vectors = partial(self.model.vectors, stage=self.reader.stage)
        return self._in_batches([view.frames[0] for view in views], vectors).cpu()

    @torch.no_grad()
    def _compute_views(self, views: Sequence[View]) -> Tensor:
        """Computes the vectors of views of videos, all with the same number of frames."""
        images = images_of(views)

        def read(rows: Tensor, check: Callable[[Tensor], None]) -> Tensor:
            features = self.model.features(rows, self.reader.stage)
            check(features)
            return features

        features = self._in_batches(list(images), read)

        def vectors(rows: Tensor) -> Tensor:
            of_view, numbers = rows.unbind(-1)
            own = torch.arange(of_view.numel(), device=rows.device).view_as(of_view)
            return self.model.map(features[of_view.flatten()], own, numbers)

        rows = torch.stack(indices(views, images), dim=-1).to(self.model.device)
        return in_fixed_batches(vectors, rows, self.batch).cpu()

    def _in_batches(self, images: Sequence[Image], function: Callable[..., Tensor]) -> Tensor:
        """Applies a function to fixed batches of what the reader gives of images, and checks the features."""
        rows = self.reader(images).to(self.model.device)
        finite: list[Tensor] = []
        check = lambda features: finite.append(finite_rows(features))
        computed = in_fixed_batches(partial(function, check=check), rows, self.batch)
        for image, usable in zip(
            images, torch.cat(finite).tolist(), strict=False
        ):  # padding follows the images
            if not usable:
                raise not_finite(image, self.model.vision.name)
        return computed

    def _keep(self, computed: dict[View, Tensor]) -> None:
        for view, vectors in computed.items():
            if view not in self._kept:
                # A slice would keep its whole batch in memory.
                self._kept[view] = vectors.clone()
                self._bytes += vectors.nbytes
            self._kept.move_to_end(view)
        while self._bytes > self.limit:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
