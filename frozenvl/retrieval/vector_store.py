"""`VectorStore`: embeddings by content digest, in a folder of segments that are only ever added.

A segment is written atomically. So a killed process loses only the embeddings that it had not written, and several
processes may fill one store.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from frozenvl.util.errors import UserError
from frozenvl.util.files import write_atomically

FORMAT = "1"
"""Version of the segments' layout."""
MAX_SEGMENTS = 16
"""Number of segments above which `compact` joins them."""


class VectorStore:
    """Embeddings by content digest, of one model and head.

    Args:
        folder: folder to write to; it is made with the first segment.
        model: fingerprint of the model and head.
        dim: number of dimensions.
        also: folders that are read too, but never written.

    Raises:
        UserError: if a segment is of another model or has another number of dimensions.
    """

    def __init__(self, folder: Path, model: str, dim: int, also: Sequence[Path] = ()) -> None:
        self.folder, self.model, self.dim = folder, model, dim
        self.segments: dict[Path, np.ndarray] = {}
        """Vectors (n, dim) of each segment, by file."""
        self.places: dict[str, tuple[Path, int]] = {}
        """Digest → segment and row."""
        self.damaged: set[Path] = set()
        """Segments that could not be read."""
        for place in (*also, folder):
            # Another process may join segments meanwhile: it writes the joined one before it removes the others.
            while not all(self._load(path) for path in sorted(place.glob("*.safetensors"))):
                pass

    def _load(self, path: Path) -> bool:
        """Loads a segment, unless it is loaded. Returns False if it was removed meanwhile."""
        if path in self.segments or path in self.damaged:
            return True
        try:
            with safe_open(path, framework="np") as file:
                facts = file.metadata() or {}
                self._check(path, facts)
                digests, vectors = file.get_tensor("digests"), file.get_tensor("vectors")
        except FileNotFoundError:
            return False
        except (SafetensorError, OSError) as error:
            print(
                f"frozenvl: {path}: a damaged part of the index ({' '.join(str(error).split())[:100]}); its images "
                "are embedded again",
                file=sys.stderr,
            )
            self.damaged.add(path)
            if path.parent == self.folder:
                with suppress(OSError):
                    path.unlink()
            return True
        if vectors.shape[1:] != (self.dim,):
            raise UserError(
                f"{path}: embeddings of {vectors.shape[-1]} numbers where the model has {self.dim}; remove "
                f"{path.parent}, so that the images are embedded again"
            )
        self.segments[path] = vectors
        self.places.update((bytes(row).hex(), (path, place)) for place, row in enumerate(digests))
        return True

    def _check(self, path: Path, facts: dict[str, str]) -> None:
        if facts.get("format") != FORMAT or facts.get("model") != self.model:
            raise UserError(
                f"{path}: part of an index of another model ({facts.get('model', 'unknown')}; this one is "
                f"{self.model}); remove {path.parent}, so that the images are embedded again"
            )

    def __contains__(self, digest: str) -> bool:
        return digest in self.places

    def __len__(self) -> int:
        return len(self.places)

    def add(self, digests: Sequence[str], vectors: np.ndarray) -> None:
        """Writes a segment with the embeddings (n, dim) of n images. Digests have 32 hex digits."""
        rows = np.array([list(bytes.fromhex(digest)) for digest in digests], np.uint8).reshape(-1, 16)
        tensors: dict[str, np.ndarray] = {
            "digests": rows,
            "vectors": np.ascontiguousarray(vectors, np.float32),
        }
        path = self.folder / f"{uuid.uuid4().hex}.safetensors"
        write_atomically(path, save(tensors, metadata={"format": FORMAT, "model": self.model}))
        self.segments[path] = tensors["vectors"]
        self.places.update((digest, (path, place)) for place, digest in enumerate(digests))

    def vectors(self, digests: Sequence[str]) -> np.ndarray:
        """Returns the embeddings (n, dim) of n digests that are in the store."""
        gathered = np.empty((len(digests), self.dim), np.float32)
        wanted: dict[Path, tuple[list[int], list[int]]] = {}
        for place, digest in enumerate(digests):
            path, row = self.places[digest]
            places, rows = wanted.setdefault(path, ([], []))
            places.append(place)
            rows.append(row)
        for path, (places, rows) in wanted.items():
            gathered[places] = self.segments[path][rows]
        return gathered

    def compact(self, digests: Collection[str]) -> None:
        """Joins the segments, if there are many or most of their rows are of no use any more.

        Args:
            digests: digests to keep.
        """
        own = {path: vectors for path, vectors in self.segments.items() if path.parent == self.folder}
        kept = [digest for digest in dict.fromkeys(digests) if self.places[digest][0] in own]
        rows = sum(map(len, own.values()))
        if len(own) <= MAX_SEGMENTS and rows <= 2 * len(kept) + 1:
            return
        vectors = self.vectors(kept)
        if kept:
            self.add(kept, vectors)
        # Written before the others are removed: a process that is killed here leaves some rows twice.
        for path in own:
            with suppress(OSError):
                path.unlink()
            del self.segments[path]
        for digest in [digest for digest, (path, _) in self.places.items() if path in own]:
            del self.places[digest]
