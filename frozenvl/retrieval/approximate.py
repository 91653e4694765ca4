"""Approximate nearest neighbours with faiss, for many queries to a million vectors and more."""

from __future__ import annotations

import math
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from frozenvl.retrieval.nearest import check_dimensions
from frozenvl.util.errors import UserError
from frozenvl.util.files import cannot_write

SAMPLE_PER_LIST = 64
"""Number of vectors for each list from which the centres are computed."""


class Approximate:
    """Approximate nearest neighbours: vectors are in lists around centres, and a query reads the nearest lists.

    Making the lists takes the time of hundreds of exact searches (`benchmarks/search.py`) and a copy of the vectors, so
    it pays for many queries only.

    Args:
        vectors: (n, dim), fp32, of length 1, with n above 0.
        file: file where the lists are kept for the next time; None to keep them in memory only. Its name has to tell
            these vectors, in their order, from all others. Other files of its suffix beside it are removed.
        probes: number of lists that a query reads. More find more of the true neighbours and take longer.

    Raises:
        UserError: if faiss is not installed.
    """

    def __init__(self, vectors: np.ndarray, file: Path | None = None, probes: int = 128) -> None:
        faiss = library()
        self.dim = vectors.shape[1]
        self._index: Any = _read(faiss, file) if file else None
        self.made = self._index is None
        """False if the lists were read from the file."""
        if self.made:
            self._index = _made(faiss, vectors)
            if file:
                _write(faiss, self._index, file)
        self._index.nprobe = probes

    def search(self, queries: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
        """Finds vectors with large inner products with each query.

        Args:
            queries: (q, dim), fp32.
            top: number of rows for each query.

        Returns:
            Rows (q, min(top, n)), int64, the best first, and their scores, fp32. Where the lists that were read hold
            fewer vectors, rows end with -1 and scores with -infinity.

        Raises:
            UserError: if queries and vectors differ in dimension.
        """
        check_dimensions(queries, np.empty((0, self.dim), np.float32))
        scores, rows = self._index.search(
            np.ascontiguousarray(queries, np.float32), min(top, self._index.ntotal)
        )
        return rows, np.where(rows < 0, -np.inf, scores).astype(np.float32)


def library() -> Any:
    """Imports faiss.

    Raises:
        UserError: if it is not installed.
    """
    try:
        import faiss
    except ImportError:
        raise UserError(
            "approximate search needs the library faiss; install it with `pip install 'frozenvl[search]'`, or search "
            "exactly (approximate=False)"
        ) from None
    return faiss


def _made(faiss: Any, vectors: np.ndarray) -> Any:
    lists = max(
        1, min(int(4 * math.sqrt(len(vectors))), len(vectors) // 40)
    )  # faiss asks for 39 vectors a list
    index = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(vectors.shape[1]), vectors.shape[1], lists, faiss.METRIC_INNER_PRODUCT
    )
    index.cp.niter, index.cp.seed, index.cp.max_points_per_centroid = 10, 2021, SAMPLE_PER_LIST
    chosen = np.random.default_rng(2021).permutation(len(vectors))[: SAMPLE_PER_LIST * lists]
    index.train(np.ascontiguousarray(vectors[np.sort(chosen)]))
    index.add(np.ascontiguousarray(vectors))
    return index


def _read(faiss: Any, file: Path) -> Any:
    """Returns the lists in a file; None if there is none, or it is damaged."""
    if not file.is_file():
        return None
    try:
        return faiss.read_index(str(file))
    except RuntimeError:
        return None


def _write(faiss: Any, index: Any, file: Path) -> None:
    """Writes the lists atomically, and removes other files of its suffix: lists of earlier states."""
    temporary = file.with_name(f".{uuid.uuid4().hex[:8]}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        faiss.write_index(index, str(temporary))
        temporary.replace(file)
    except (OSError, RuntimeError) as error:
        with suppress(OSError):
            temporary.unlink()
        reason = error if isinstance(error, OSError) else OSError(None, " ".join(str(error).split())[:100])
        raise cannot_write(file, reason) from None
    for other in file.parent.glob(f"*{file.suffix}"):
        if other != file:
            with suppress(OSError):
                other.unlink()
