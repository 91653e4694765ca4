"""`ImageIndex`: the embeddings of a folder of images, kept beside them and brought up to date when it is opened."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from frozenvl.model.frozen import FrozenVL
from frozenvl.model.processor import Processor
from frozenvl.pretrained.zoo import home
from frozenvl.prompt import Image, ImageFile
from frozenvl.retrieval.approximate import Approximate, library
from frozenvl.retrieval.embedder import Embedder
from frozenvl.retrieval.image_files import image_files
from frozenvl.retrieval.nearest import nearest
from frozenvl.retrieval.vector_store import VectorStore
from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json, write_atomically

HIDDEN = ".frozenvl"
"""Folder below the images that holds their indexes, a folder for each model and head."""
FILES = "files.json"
"""File of an index: path of each image → [size, time of change, digest]."""
SEGMENT = 1024
"""Number of images whose embeddings are written together. A killed process loses at most these."""
SETTLED = 2_000_000_000
"""Age in nanoseconds from which a file's time of change tells of every later change, on any file system."""


class Hit(NamedTuple):
    """A search result."""

    score: float
    """Cosine of the angle between the query's embedding and the image's."""
    path: Path
    """The image file."""


class ImageIndex:
    """Embeddings of all images below a folder, searched by text or by image.

    The index is kept in `FOLDER/.frozenvl/FINGERPRINT`, or in the project's cache folder if that cannot be written. The
    fingerprint is of the model and head, so indexes of several models stand beside each other. Opening an index embeds
    only new and changed images; those that were moved or copied are recognised by their content. Removed files are
    dropped.

    Args:
        model: model with an embedding head, such as from `FrozenVL.from_pretrained`.
        folder: folder of images; subfolders count.
        head: name of the embedding head; by default the only one.
        processor: processor of the model; by default a new one.
        progress: function that is called with the number of new files done and their total.
        approximate: whether to search approximately, with faiss. It pays for many queries to a million images and more.

    Raises:
        UserError: if the folder holds no readable image, the model has no such head, or faiss is asked for and missing.
    """

    def __init__(
        self,
        model: FrozenVL,
        folder: Path | str,
        head: str | None = None,
        processor: Processor | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
        approximate: bool = False,
    ) -> None:
        if approximate:
            library()  # an error before anything is embedded
        self.embedder = Embedder(model, processor, head)
        self.folder = Path(folder)
        self.unreadable: dict[Path, str] = {}
        """Images without an embedding → error line."""
        self.embedded = 0
        """Number of images that were embedded when the index was opened."""
        files = image_files([self.folder])
        beside = self.folder / HIDDEN / self.embedder.fingerprint
        self.place = beside if _writable(beside) else _cached(self.folder) / self.embedder.fingerprint
        """Folder of the index."""
        also = [] if self.place == beside else [beside]
        store = VectorStore(self.place, self.embedder.fingerprint, self.embedder.dim, also)
        known = {key: entry for place in (*also, self.place) for key, entry in _read_files(place).items()}
        digests = self._digests(files, known, store, progress)
        self.paths: list[Path] = [file for file in files if file in digests]
        """Images with an embedding, sorted."""
        if not self.paths:
            first = next(iter(self.unreadable.values()))
            raise UserError(f"{self.folder}: no readable image among {len(files)}; the first: {first}")
        kept = [digests[path] for path in self.paths]
        self.vectors = store.vectors(kept)
        """Embeddings (n, dim) of `paths`, fp32, of length 1."""
        store.compact(kept)
        self._approximate: Approximate | None = None
        if approximate:
            order = hashlib.sha256("".join(kept).encode()).hexdigest()[:32]
            self._approximate = Approximate(self.vectors, self.place / f"{order}.faiss")

    def __len__(self) -> int:
        return len(self.paths)

    def search(self, query: str | Image | np.ndarray, top: int = 12) -> list[Hit]:
        """Returns the images that are most similar to a query, the best first.

        Args:
            query: text, image, or embedding (dim,).
            top: number of images; fewer if the index has fewer.

        Raises:
            UserError: if an embedding has another number of dimensions, or a query image is unreadable.
        """
        if isinstance(query, str):
            vector = self.embedder.texts([query])[0]
        else:
            vector = self.embedder.image(query) if isinstance(query, Image) else query
        queries = np.asarray(vector, np.float32)[None]
        if self._approximate is not None:
            (rows,), (scores,) = self._approximate.search(queries, top)
        else:
            (rows,), (scores,) = nearest(queries, self.vectors, top)
        return [
            Hit(float(score), self.paths[row]) for row, score in zip(rows, scores, strict=True) if row >= 0
        ]

    def _digests(
        self,
        files: Sequence[Path],
        known: Mapping[str, Sequence],
        store: VectorStore,
        progress: Callable[[int, int], None],
    ) -> dict[Path, str]:
        """Returns the digest of each file that has an embedding, after embedding those that had none."""
        entries: dict[Path, tuple[int, int, str]] = {}
        images: list[Image] = []
        for file in files:
            size, changed = _state(file)
            before = known.get(self._key(file))
            if before is not None and changed and (size, changed) == tuple(before[:2]) and before[2] in store:
                entries[file] = size, changed, before[2]
            else:
                entries[file] = size, changed, ""
                images.append(ImageFile(file))
        try:
            self._embed(images, entries, store, progress)
        finally:
            found = {self._key(file): entry for file, entry in entries.items() if entry[2]}
            if images or found.keys() != known.keys():
                # JSON in ASCII also holds file names that are no UTF-8.
                write_atomically(self.place / FILES, json.dumps({"files": found}))
        return {file: digest for file, (_, _, digest) in entries.items() if digest}

    def _embed(
        self,
        images: Sequence[Image],
        entries: dict[Path, tuple[int, int, str]],
        store: VectorStore,
        progress: Callable[[int, int], None],
    ) -> None:
        """Embeds images whose content is not in the store, segment by segment, and notes the digests of all."""
        pending: dict[str, np.ndarray] = {}

        def flush() -> None:
            if pending:
                store.add(list(pending), np.stack(list(pending.values())))
                self.embedded += len(pending)
                pending.clear()

        try:
            stream = self.embedder.images(images, skip=lambda image: image.digest in store)
            for done, (image, vector, reason) in enumerate(stream, 1):
                assert isinstance(image, ImageFile)
                if reason:
                    self.unreadable[image.path] = reason
                else:
                    if vector is not None:
                        pending[image.digest] = vector
                    entries[image.path] = (*entries[image.path][:2], image.digest)
                if len(pending) >= SEGMENT:
                    flush()
                progress(done, len(images))
        finally:
            flush()

    def _key(self, file: Path) -> str:
        return file.relative_to(self.folder).as_posix()


def _state(file: Path) -> tuple[int, int]:
    """Returns the size of a file in bytes and its time of change in nanoseconds; 0 if that is too recent to trust."""
    try:
        stat = file.stat()
    except OSError:  # reading it reports the error
        return 0, 0
    return stat.st_size, stat.st_mtime_ns if time.time_ns() - stat.st_mtime_ns > SETTLED else 0


def _read_files(place: Path) -> dict[str, Sequence]:
    """Returns the files that an index knows; none if its list is missing or damaged, because it can be made again."""
    if not (place / FILES).is_file():
        return {}
    try:
        return {key: (int(a), int(b), str(c)) for key, (a, b, c) in read_json(place / FILES)["files"].items()}
    except (UserError, AttributeError, KeyError, TypeError, ValueError):
        return {}


def _writable(place: Path) -> bool:
    """Makes a folder; returns whether files can be written there."""
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(place, os.W_OK)


def _cached(folder: Path) -> Path:
    """Returns the folder for the indexes of a folder that cannot be written, in the project's cache folder."""
    name = hashlib.sha256(str(folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:24]
    place = home() / "indexes" / name
    print(f"frozenvl: {folder} cannot be written; its index is kept in {place}", file=sys.stderr)
    return place
