"""Feature cache: features of a frozen encoder, computed when they are first needed and kept on disk.

Several runs and ranks may fill a cache together. A process claims the images that it computes; the others compute other
images meanwhile, or wait.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import compress
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from frozenvl.model.batch import Stage
from frozenvl.model.processor import ImageReader, Pixels
from frozenvl.model.vision.feature_store import PIECE, FeatureStore
from frozenvl.model.vision.finite import finite_rows, not_finite
from frozenvl.model.vision.remembered_digests import RememberedDigests, threads
from frozenvl.prompt import Image
from frozenvl.util.errors import UnreadableImage, UserError

BATCH = 32
"""Number of images that are read while the batch before is encoded. A killed run loses at most two batches."""
SHOWN = 128
"""Number of images after which `fill` reports progress."""
PATIENCE = 60.0
"""Seconds to wait for images that another process has claimed. It may hang; then they are computed twice."""

Encode: TypeAlias = Callable[[Tensor], Tensor]
"""Function from pixels (N, 3, size, size) to features (N, tokens, channels)."""


class FeatureCache(FeatureStore):
    """Features by image digest, for one encoder in one precision.

    Args:
        identity: everything that the features depend on besides the image, as text.
        shape: shape (tokens, channels) of one image's features.
        dtype: type of the stored features.
        folder: folder of caches; by default `features` in the project's cache folder.
        limit: maximal size of the stored features, in bytes; none by default. Features beyond it are not stored, but
            computed each time.
    """

    def __init__(
        self,
        identity: str,
        shape: tuple[int, int],
        dtype: torch.dtype,
        folder: Path | None = None,
        limit: int | None = None,
    ) -> None:
        super().__init__(identity, shape, dtype, folder)
        self.limit = limit
        self.encoded = 0
        """Number of images that this process has encoded."""
        self.not_finite: set[str] = set()
        """Digests of images whose features hold NaN or infinity. Such features are not stored."""

    def complete(self, wanted: Mapping[str, Image], reader: ImageReader, encode: Encode) -> dict[str, Tensor]:
        """Computes the features that are missing, and stores them unless they are beyond the limit.

        Args:
            wanted: images by digest. Unreadable ones are left out.
            reader: image reader that gives pixels.
            encode: function from pixels to features.

        Returns:
            Features (tokens, channels) of the images that are not stored, by digest.
        """
        beyond: dict[str, Tensor] = {}
        missing = self.missing(wanted)
        if not missing:
            return beyond
        waits_until = time.monotonic() + PATIENCE
        # The claims of a process are computed before it waits for those of others, so that no two wait for each other.
        batches: deque[tuple[list[str], Future]] = deque()
        with ThreadPoolExecutor(1) as ahead:
            try:
                while missing or batches:
                    while len(batches) < 2 and (batch := self._claim(missing, waits_until)):
                        items = [(digest, missing.pop(digest)) for digest in batch]
                        batches.append((batch, ahead.submit(readable_part, items, reader)))
                    if batches:
                        digests, pixels = batches[0][1].result()
                        if digests:
                            beyond |= self._encode(digests, pixels, encode)
                        self.claims.release(batches.popleft()[0])
                        waits_until = time.monotonic() + PATIENCE
                    elif missing:
                        time.sleep(0.01)
                        self.load()
                    missing = self._lacking(missing)
            finally:
                for batch, _ in batches:
                    self.claims.release(batch)
        return beyond

    def missing(self, wanted: Mapping[str, Image]) -> dict[str, Image]:
        """Returns the images whose features are not stored, and are not known to be no finite numbers."""
        missing = self._lacking(wanted)
        if missing:
            self.load()
            missing = self._lacking(missing)
        return missing

    def _lacking(self, wanted: Mapping[str, Image]) -> dict[str, Image]:
        return {
            digest: image
            for digest, image in wanted.items()
            if digest not in self and digest not in self.not_finite
        }

    def _claim(self, missing: Mapping[str, Image], waits_until: float) -> list[str]:
        """Returns the next images to compute, of those that no other process computes."""
        while missing:
            claimed = self.claims.take(missing, BATCH)
            if not claimed and time.monotonic() > waits_until:
                return list(missing)[:BATCH]
            self.load()  # another process may have stored them just before
            batch = [digest for digest in claimed if digest not in self]
            self.claims.release({*claimed} - {*batch})
            if batch or not claimed:
                return batch
            missing = self._lacking(missing)
        return []

    def _encode(self, digests: list[str], pixels: Tensor, encode: Encode) -> dict[str, Tensor]:
        """Encodes and stores a batch. Returns the features of its images if there is no room for them."""
        with torch.inference_mode(False), torch.no_grad():
            features = encode(pixels).to("cpu", self.dtype)
        finite = finite_rows(features)
        self.not_finite.update(compress(digests, ~finite))
        self.encoded += len(digests)
        digests, features = list(compress(digests, finite)), features[finite]
        if self.limit is not None and self.bytes + features.nbytes > self.limit:
            return dict(zip(digests, features, strict=True))
        if digests:
            self.add(digests, features, PIECE)
            self.load()
            self.merge()
        return {}

    def fill(
        self,
        images: Iterable[Image],
        reader: ImageReader,
        encode: Encode,
        rank: int = 0,
        world_size: int = 1,
        barrier: Callable[[], None] = lambda: None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> CachedFeatures:
        """Computes missing features of all images, each rank a share of them. Returns a reader of their features.

        Args:
            images: images.
            reader: image reader that gives pixels.
            encode: function from pixels (N, 3, size, size) to features (N, tokens, channels).
            rank: rank of this process.
            world_size: number of ranks.
            barrier: function that waits for all ranks.
            progress: function called with the number of images done and their total.
        """
        cached = CachedFeatures(self, reader, encode)
        cached.fill(images, rank, world_size, barrier, progress)
        return cached


class MissingFeatures(Exception):
    """A data loader worker needs features that are not stored yet; the process that trains computes them."""


class CachedFeatures:
    """Image reader that gives cached features. It computes the missing ones, except in data loader workers.

    Args:
        cache: feature cache.
        reader: image reader that gives pixels.
        encode: function from pixels (N, 3, size, size) to features (N, tokens, channels).
    """

    stage: Stage = "features"

    def __init__(self, cache: FeatureCache, reader: ImageReader, encode: Encode) -> None:
        self.cache, self.encode = cache, encode
        self.reader: ImageReader = InThreads(reader) if isinstance(reader, Pixels) else reader
        self.digests = RememberedDigests()
        self.digest_of: dict[Image, str] = {}
        """Digests of the images read so far."""

    def __call__(self, images: Sequence[Image]) -> Tensor:
        """Returns the features (N, tokens, channels).

        Raises:
            UnreadableImage: if an image has no features because its pixels cannot be read, or because its features
                hold NaN or infinity.
            MissingFeatures: if features are not stored yet and this process is a data loader worker.
        """
        beyond = self.complete(images)
        rows = [self._row(image, beyond) for image in images]
        return torch.stack(rows) if rows else torch.zeros(0, *self.cache.shape, dtype=self.cache.dtype)

    def complete(self, images: Iterable[Image]) -> dict[str, Tensor]:
        """Computes and stores missing features. Returns those that there is no room to store, by digest."""
        images = list(images)
        self.digest_of |= self.digests.of(image for image in images if image not in self.digest_of)
        wanted = {self.digest_of[image]: image for image in images if image in self.digest_of}
        if get_worker_info() is None:
            return self.cache.complete(wanted, self.reader, self.encode)
        if self.cache.missing(wanted):
            raise MissingFeatures
        return {}

    def fill(
        self,
        images: Iterable[Image],
        rank: int = 0,
        world_size: int = 1,
        barrier: Callable[[], None] = lambda: None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        """Computes missing features of all images, each rank a share of them. Arguments as for `FeatureCache.fill`."""
        distinct = list(dict.fromkeys(images))
        shares = [distinct[rank::world_size]]
        if world_size > 1:  # if ranks share no folder, each computes the shares of the others too
            shares.append(distinct)
        for share in shares:
            for start in range(0, len(share), SHOWN):
                self.complete(share[start : start + SHOWN])
                progress(min(start + SHOWN, len(share)), len(share))
            barrier()
        self.save()

    def save(self) -> None:
        """Merges small files of the cache, and writes the digests that are not on disk yet."""
        self.cache.merge(least=1)
        self.digests.save()

    def _row(self, image: Image, beyond: Mapping[str, Tensor]) -> Tensor:
        try:
            digest = self.digest_of.get(image) or image.digest
        except UnreadableImage as error:
            raise UnreadableImage(str(error), image) from None
        if digest in self.cache.not_finite:
            raise not_finite(image, "the encoder's output")
        if digest in beyond:
            return beyond[digest]
        try:
            return self.cache.row(digest)
        except KeyError:
            try:
                image.read()
            except UnreadableImage as error:
                raise UnreadableImage(str(error), image) from None
            raise UserError(f"{image.name}: has no features in {self.cache.folder}") from None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"encode": None, "reader": None}  # as a worker needs them


class InThreads:
    """Image reader that reads images in several threads.

    Args:
        reader: image reader.
    """

    def __init__(self, reader: ImageReader) -> None:
        self.reader = reader
        self.stage: Stage = reader.stage

    def __call__(self, images: Sequence[Image]) -> Tensor:
        if len(images) < 2:
            return self.reader(images)
        with ThreadPoolExecutor(threads()) as pool:
            return torch.cat(list(pool.map(lambda image: self.reader([image]), images)))


def readable_part(batch: list[tuple[str, Image]], reader: ImageReader) -> tuple[list[str], Tensor]:
    """Returns the digests and pixels of the readable images of a batch."""
    while True:
        try:
            return [digest for digest, _ in batch], reader([image for _, image in batch])
        except UnreadableImage as error:
            if error.image is None:
                raise
            batch = [(digest, image) for digest, image in batch if image != error.image]
