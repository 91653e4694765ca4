"""Features of a frozen encoder, computed once per image and kept on disk.

A cache is a folder of segments that are only ever added: a file of features with the digests of the images they
belong to. A segment appears whole or not at all, so runs may be killed, and may share a cache while they fill it: each
takes pieces that no other is at.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from frozenvl.model.batch import Stage
from frozenvl.model.processor import ImageReader
from frozenvl.pretrained.zoo import home
from frozenvl.prompt import Image
from frozenvl.util.errors import UnreadableImage, UserError
from frozenvl.util.files import write_atomically

SEGMENT = 1024
"""Images in a segment: what a kill can cost."""
BATCH = 32
"""Images that are read ahead while others are encoded."""


class FeatureCache:
    """Features by image content, for one encoder in one precision.

    Args:
        identity: everything that the features depend on beside the image.
        shape: (tokens, channels) of one image.
        dtype: in which they are kept.
    """

    def __init__(
        self, identity: str, shape: tuple[int, int], dtype: torch.dtype, folder: Path | None = None
    ) -> None:
        key = hashlib.sha256(f"{identity} {shape} {dtype}".encode()).hexdigest()[:24]
        self.folder = (folder or home() / "features") / key
        self.shape, self.dtype = shape, dtype
        self._segments: dict[str, Tensor] = {}
        self._where: dict[str, tuple[str, int]] = {}

    def load(self) -> None:
        """Sees the segments on disk that it has not seen, by memory map."""
        for path in sorted(self.folder.glob("*.safetensors")):
            if path.name not in self._segments:
                with safe_open(path, framework="pt") as file:
                    self._segments[path.name] = file.get_tensor("features")
                    digests = json.loads(file.metadata()["digests"])
                self._where.update((digest, (path.name, row)) for row, digest in enumerate(digests))

    def __contains__(self, digest: str) -> bool:
        return digest in self._where

    def row(self, digest: str) -> Tensor:
        name, row = self._where[digest]
        return self._segments[name][row]

    def add(self, digests: Sequence[str], features: Tensor) -> None:
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
        """Computes what is missing, each rank its share, and returns a reader of these images' features.

        Args:
            images: all images of a run.
            reader: gives pixels.
            encode: (N, 3, size, size) pixels → (N, tokens, channels).
            progress: called with images done and images to do.
        """
        wanted: dict[Image, str] = {}
        for image in images:
            try:
                wanted[image] = image.digest
            except UnreadableImage:  # is counted where its sample is wanted
                continue
        distinct = sorted(
            {digest: image for image, digest in wanted.items()}.items(), key=lambda item: item[0]
        )
        self.load()
        # A share does not depend on what a rank sees: another may have added to the folder already.
        self._compute(distinct[rank::world_size], reader, encode, progress)
        barrier()
        self.load()
        # Where the ranks share no folder, each computes the others' shares too.
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
        todo = [(digest, image) for digest, image in wanted if digest not in self]
        left, refused, done = deque(pieces(todo, SEGMENT)), 0, 0
        with ThreadPoolExecutor(1) as ahead:
            while left:
                segment = left.popleft()
                # Where another run is at it, others come first; what is left at the end is waited for.
                with self._lock(segment[0][0], wait=refused > len(left)) as mine:
                    if not mine:
                        left.append(segment)
                        refused += 1
                        continue
                    refused = 0
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
        """Encodes images batch by batch, telling how many, and adds their features."""
        digests: list[str] = []
        rows = []
        batches = list(pieces(segment, BATCH))
        if not batches:
            return
        pending = ahead.submit(readable_part, batches[0], reader)
        for batch, following in zip(batches, [*batches[1:], None], strict=True):
            read, pixels = pending.result()
            if following is not None:
                pending = ahead.submit(readable_part, following, reader)
            if read:
                digests += read
                rows.append(encode(pixels).to("cpu", self.dtype))
            yield len(batch)
        if digests:
            self.add(digests, torch.cat(rows))

    @contextmanager
    def _lock(self, name: str, wait: bool) -> Iterator[bool]:
        """Whether this run alone is at a piece; where the file system knows no locks, two may do the same work."""
        from filelock import FileLock, Timeout

        lock = FileLock(self.folder.with_suffix(".locks") / f"{name[:16]}.lock")
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            yield False
            return
        except (NotImplementedError, OSError):  # filelock raises the first on file systems without locks
            pass
        try:
            yield True
        finally:
            lock.release()


class CachedFeatures:
    """An image reader that finds features in place of pixels; nothing is decoded."""

    stage: Stage = "features"

    def __init__(self, cache: FeatureCache, digest_of: dict[Image, str]) -> None:
        self.cache, self.digest_of = cache, digest_of

    def __call__(self, images: Sequence[Image]) -> Tensor:
        """(N, tokens, channels).

        Raises:
            UnreadableImage: for an image that has no features, since its pixels could not be read.
        """
        rows = [self._row(image) for image in images]
        return torch.stack(rows) if rows else torch.zeros(0, *self.cache.shape, dtype=self.cache.dtype)

    def _row(self, image: Image) -> Tensor:
        try:
            return self.cache.row(self.digest_of.get(image) or image.digest)
        except UnreadableImage as error:
            raise UnreadableImage(str(error), image) from None
        except KeyError:
            try:
                image.read()
            except UnreadableImage as error:
                raise UnreadableImage(str(error), image) from None
            raise UserError(f"{image.name}: has no features in {self.cache.folder}") from None


def readable_part(batch: list[tuple[str, Image]], reader: ImageReader) -> tuple[list[str], Tensor]:
    """The digests of those images of a batch that can be read, and their pixels."""
    while True:
        try:
            return [digest for digest, _ in batch], reader([image for _, image in batch])
        except UnreadableImage as error:
            if error.image is None:
                raise
            batch = [(digest, image) for digest, image in batch if image != error.image]


def pieces(items: list, size: int) -> Iterator[list]:
    """Consecutive pieces of at most `size`."""
    return (items[start : start + size] for start in range(0, len(items), size))
