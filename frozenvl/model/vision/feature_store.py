"""Features of images on disk, by the images' digests.

A store is a folder of files, each with features and the digests of their images. Files are only ever added whole, and
small ones are merged into segments. So runs may be killed, and several processes may add to a store together.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from frozenvl.pretrained.zoo import home
from frozenvl.util.claims import Claims
from frozenvl.util.files import write_atomically

SEGMENT = 1024
"""Number of images in a segment, unless it would be larger than `SEGMENT_BYTES`."""
SEGMENT_BYTES = 2**28
"""Maximal size of a segment's features, in bytes."""
PIECE = ".piece.safetensors"
"""End of the name of a file that waits to be merged into a segment."""
TICK = 100_000_000
"""Nanoseconds for which a folder may change without a change of its modification time."""


class FeatureStore:
    """Memory-mapped features by image digest, for one encoder in one precision.

    Args:
        identity: everything that the features depend on besides the image, as text.
        shape: shape (tokens, channels) of one image's features.
        dtype: type of the stored features.
        folder: folder of stores; by default `features` in the project's cache folder.
    """

    def __init__(
        self, identity: str, shape: tuple[int, int], dtype: torch.dtype, folder: Path | None = None
    ) -> None:
        key = hashlib.sha256(f"{identity} {shape} {dtype}".encode()).hexdigest()[:24]
        self.folder = (folder or home() / "features") / key
        self.shape, self.dtype = shape, dtype
        self.row_bytes = shape[0] * shape[1] * dtype.itemsize
        """Size of one image's features, in bytes."""
        self.bytes = 0
        """Size of the features in all files loaded so far, in bytes."""
        self.claims = Claims(self.folder.with_suffix(".locks") / "claims")
        """Claims of images, by digest, that a process computes."""
        self._files: dict[str, Tensor] = {}
        self._locations: dict[str, tuple[str, int]] = {}
        self._listed = -1
        """Modification time of the folder when it was listed, in ns."""

    def load(self) -> None:
        """Memory-maps the files that were added since the last call, and drops those that were merged."""
        try:
            changed = self.folder.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if changed == self._listed and time.time_ns() - changed > TICK:
            return
        self._listed = changed
        names = {path.name for path in self.folder.glob("*.safetensors")}
        for name in sorted(names - self._files.keys()):
            self._load(name)
        for name in self._files.keys() - names:  # the segment that holds these features now is loaded
            self.bytes -= self._files.pop(name).nbytes

    def _load(self, name: str) -> None:
        try:
            # A tensor made in inference mode, in which evaluations run, could not be trained on afterwards.
            with torch.inference_mode(False), safe_open(self.folder / name, framework="pt") as file:
                features = file.get_tensor("features")
                digests = json.loads(file.metadata()["digests"])
        except FileNotFoundError:  # merged since the folder was listed
            self._listed = -1
            return
        except SafetensorError:  # cut off when the machine lost power
            return
        self._files[name] = features
        self.bytes += features.nbytes
        for row, digest in enumerate(digests):
            # A segment stays, but the pieces that it was merged from are still there for a moment.
            if not name.endswith(PIECE) or digest not in self:
                self._locations[digest] = name, row

    def __contains__(self, digest: str) -> bool:
        return digest in self._locations and self._locations[digest][0] in self._files

    def row(self, digest: str) -> Tensor:
        """Returns the features (tokens, channels) of an image."""
        name, row = self._locations[digest]
        return self._files[name][row]

    def add(self, digests: Sequence[str], features: Tensor, end: str = ".safetensors") -> None:
        """Writes a file with the features (N, tokens, channels) of N images.

        Args:
            digests: digests of the images.
            features: features of the images.
            end: end of the file's name: `PIECE` if it is to be merged.
        """
        data = save({"features": features.contiguous()}, metadata={"digests": json.dumps(list(digests))})
        write_atomically(self.folder / f"{uuid.uuid4().hex}{end}", data)

    def merge(self, least: int | None = None) -> None:
        """Merges the loaded pieces into segments, if they fill one or hold at least `least` images."""
        waiting = [rows for name, rows in self._files.items() if name.endswith(PIECE)]
        fills = sum(rows.nbytes for rows in waiting) >= SEGMENT_BYTES
        if not waiting or (sum(map(len, waiting)) < (least or SEGMENT) and not fills):
            return
        if not self.claims.take([PIECE], 1):  # another process merges
            return
        try:
            self.load()
            names = {name for name in self._files if name.endswith(PIECE)}
            digests = [digest for digest, (name, _) in self._locations.items() if name in names]
            for part in pieces(digests, max(1, min(SEGMENT, SEGMENT_BYTES // self.row_bytes))):
                self.add(part, torch.stack([self.row(digest) for digest in part]))
            for name in names:
                (self.folder / name).unlink(missing_ok=True)
        finally:
            self.claims.release([PIECE])
        self.load()


def pieces(items: list, size: int) -> Iterator[list]:
    """Yields consecutive pieces of a list, each of at most `size` items."""
    return (items[start : start + size] for start in range(0, len(items), size))
