"""Feature cache: features of a frozen encoder, computed once per image and kept on disk.

A cache is a folder of segments: files with features and the digests of their images. Segments are only ever added, each
atomically. So runs may be killed, and several runs may fill a cache together: each computes segments that no other run
has locked.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import compress
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from frozenvl.model.batch import Stage
from frozenvl.model.processor import ImageReader
from frozenvl.model.vision.finite import finite_rows, not_finite
from frozenvl.pretrained.zoo import home
from frozenvl.prompt import Image
from frozenvl.util.errors import UnreadableImage, UserError
from frozenvl.util.files import write_atomically

SEGMENT = 1024
"""Number of images in a segment. A killed run loses at most one segment."""
BATCH = 32
"""Number of images that are read while the batch before is encoded."""


class FeatureCache:
    """Features by image digest, for one encoder in one precision.

    Args:
        identity: everything that the features depend on besides the image, as text.
        shape: shape (tokens, channels) of one image's features.
        dtype: type of the stored features.
        folder: folder of caches; by default `features` in the project's cache folder.
    """

    def __init__(
        self, identity: str, shape: tuple[int, int], dtype: torch.dtype, folder: Path | None = None
    ) -> None:
        key = hashlib.sha256(f"{identity} {shape} {dtype}".encode()).hexdigest()[:24]
        self.folder = (folder or home() / "features") / key
        self.shape, self.dtype = shape, dtype
        self._segments: dict[str, Tensor] = {}
        self._locations: dict[str, tuple[str, int]] = {}
        self.not_finite: set[str] = set()
        """Digests of images whose features hold NaN or infinity. Such features are not stored."""

    def load(self) -> None:
        """Memory-maps the segments on disk that are not loaded yet."""
        for path in sorted(self.folder.glob("*.safetensors")):
            if path.name not in self._segments:
                with safe_open(path, framework="pt") as file:
                    self._segments[path.name] = file.get_tensor("features")
                    digests = json.loads(file.metadata()["digests"])
                self._locations.update((digest, (path.name, row)) for row, digest in enumerate(digests))

    def __contains__(self, digest: str) -> bool:
        return digest in self._locations

    def row(self, digest: str) -> Tensor:
        """Returns the features (tokens, channels) of an image."""
        name, row = self._locations[digest]
        return self._segments[name][row]

    def add(self, digests: Sequence[str], features: Tensor) -> None:
        """Writes a segment with the features (N, tokens, channels) of N images."""
        data = save({"features": features.contiguous()}, metadata={"digests": json.dumps(list(digests))})
        write_atomically(self.folder / f"{uuid.uuid4().hex}.safetensors", data)

    def fill(
        self,
        images: Iterable[Image],
        reader: ImageReader,
        encode: Callable[[Tensor], Tensor],
        rank: int = 0,
        world_size: int = 1,
        barrier: Callable[[], None] = lambda: None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> CachedFeatures:
        """Computes missing features, each rank a share of them, and returns a reader of the images' features.

        Args:
            images: all images of a run.
            reader: image reader that gives pixels.
            encode: function from pixels (N, 3, size, size) to features (N, tokens, channels).
            rank: rank of this process.
            world_size: number of ranks.
            barrier: function that waits for all ranks.
            progress: function called with the number of images done and their total.
        """
        wanted: dict[Image, str] = {}
        for image in images:
            try:
                wanted[image] = image.digest
            except UnreadableImage:  # counted and reported when its sample is loaded
                continue
        distinct = sorted(
            {digest: image for image, digest in wanted.items()}.items(), key=lambda item: item[0]
        )
        self.load()
        # Shares are taken of all images, not of missing ones: ranks may see different states of the folder.
        self._compute(distinct[rank::world_size], reader, encode, progress)
        barrier()
        self.load()
        # If ranks share no folder, each computes the shares of the others too.
        self._compute(distinct, reader, encode, progress)
        self.load()
        return CachedFeatures(self, wanted)

    def _compute(
        self,
        wanted: list[tuple[str, Image]],
        reader: ImageReader,
        encode: Callable[[Tensor], Tensor],
        progress: Callable[[int, int], None],
    ) -> None:
        todo = [item for item in wanted if item[0] not in self and item[0] not in self.not_finite]
        segments, refusals, done = deque(pieces(todo, SEGMENT)), 0, 0
        with ThreadPoolExecutor(1) as ahead:
            while segments:
                segment = segments.popleft()
                # Segments that another run has locked are tried again later; wait only if all the rest are locked.
                with self._lock(segment[0][0], wait=refusals > len(segments)) as locked:
                    if not locked:
                        segments.append(segment)
                        refusals += 1
                        continue
                    refusals = 0
                    self.load()
                    missing = [item for item in segment if item[0] not in self]
                    done += len(segment) - len(missing)
                    for size in self._encode(missing, reader, encode, ahead):
                        done += size
                        progress(done, len(todo))

    def _encode(
        self,
        segment: list[tuple[str, Image]],
        reader: ImageReader,
        encode: Callable[[Tensor], Tensor],
        ahead: ThreadPoolExecutor,
    ) -> Iterator[int]:
        """Encodes images batch by batch and adds their features as one segment. Yields the size of each batch."""
        digests: list[str] = []
        rows = []
        batches = list(pieces(segment, BATCH))
        if not batches:
            return
        pending = ahead.submit(readable_part, batches[0], reader)
        for batch, following in zip(batches, [*batches[1:], None], strict=True):
            read_digests, pixels = pending.result()
            if following is not None:
                pending = ahead.submit(readable_part, following, reader)
            if read_digests:
                features = encode(pixels).to("cpu", self.dtype)
                finite = finite_rows(features)
                digests += compress(read_digests, finite)
                self.not_finite.update(compress(read_digests, ~finite))
                rows.append(features[finite])
            yield len(batch)
        if digests:
            self.add(digests, torch.cat(rows))

    @contextmanager
    def _lock(self, name: str, wait: bool) -> Iterator[bool]:
        """Locks a segment; yields whether it got the lock. Without file locks, two runs may do the same work."""
        from filelock import FileLock, Timeout

        lock = FileLock(self.folder.with_suffix(".locks") / f"{name[:16]}.lock")
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            yield False
            return
        except (NotImplementedError, OSError):  # NotImplementedError: a file system without locks
            pass
        try:
            yield True
        finally:
            lock.release()


class CachedFeatures:
    """Image reader that gives cached features. No image is decoded."""

    stage: Stage = "features"

    def __init__(self, cache: FeatureCache, digest_of: dict[Image, str]) -> None:
        self.cache, self.digest_of = cache, digest_of

    def __call__(self, images: Sequence[Image]) -> Tensor:
        """Returns the features (N, tokens, channels).

        Raises:
            UnreadableImage: if an image has no features because its pixels cannot be read, or because its features
                hold NaN or infinity.
            UserError: if a readable image has no features.
        """
        rows = [self._row(image) for image in images]
        return torch.stack(rows) if rows else torch.zeros(0, *self.cache.shape, dtype=self.cache.dtype)

    def _row(self, image: Image) -> Tensor:
        try:
            digest = self.digest_of.get(image) or image.digest
        except UnreadableImage as error:
            raise UnreadableImage(str(error), image) from None
        if digest in self.cache.not_finite:
            raise not_finite(image, "the encoder's output")
        try:
            return self.cache.row(digest)
        except KeyError:
            try:
                image.read()
            except UnreadableImage as error:
                raise UnreadableImage(str(error), image) from None
            raise UserError(f"{image.name}: has no features in {self.cache.folder}") from None


def readable_part(batch: list[tuple[str, Image]], reader: ImageReader) -> tuple[list[str], Tensor]:
    """Returns the digests and pixels of the readable images of a batch."""
    while True:
        try:
            return [digest for digest, _ in batch], reader([image for _, image in batch])
        except UnreadableImage as error:
            if error.image is None:
                raise
            batch = [(digest, image) for digest, image in batch if image != error.image]


def pieces(items: list, size: int) -> Iterator[list]:
    """Yields consecutive pieces of a list, each of at most `size` items."""
    return (items[start : start + size] for start in range(0, len(items), size))
