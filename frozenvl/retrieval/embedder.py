"""`Embedder`: embeds images and texts with one embedding head of a model, and leaves out unreadable images."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from frozenvl.model.batch import Stage
from frozenvl.model.fingerprint import NAMES, add_weights
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.processor import ImageReader, Processor
from frozenvl.model.vision.finite import finite_rows, not_finite
from frozenvl.prompt import Image
from frozenvl.util.errors import UnreadableImage

BATCH = 64
"""Number of images or texts in a forward pass."""
READERS = min(8, os.cpu_count() or 1)
"""Number of threads that read images."""


class Embedded(NamedTuple):
    """An image with its embedding, or with the reason why it has none."""

    image: Image
    vector: np.ndarray | None
    """Embedding (dim,), fp32, of length 1; None if the image is unreadable or was skipped."""
    reason: str = ""
    """Error line of an unreadable image."""


class Embedder:
    """Embeds images and texts with one embedding head of a model.

    Args:
        model: model with at least one embedding head, in eval mode.
        processor: processor of the model; by default a new one.
        head: name of the head; by default the only one.
        batch_size: number of images or texts in a forward pass.

    Raises:
        UserError: if the model has no such head, or has several and none is named.
    """

    def __init__(
        self,
        model: FrozenVL,
        processor: Processor | None = None,
        head: str | None = None,
        batch_size: int = BATCH,
    ) -> None:
        chosen = model.head(head)
        self.model, self.processor, self.batch_size = model, processor or model.processor(), batch_size
        self.head = next(name for name, part in model.heads.items() if part is chosen)
        """Name of the head."""
        self.dim: int = chosen.dim
        """Number of dimensions of an embedding."""

    @cached_property
    def fingerprint(self) -> str:
        """Hash of what embeddings depend on besides the input, 32 hex digits.

        These are the trained weights, the fingerprints of the frozen ones, the head's name, the precision, and how
        images are decoded. A checkpoint and its export have the same fingerprint.
        """
        model = self.model
        facts = {
            "head": self.head,
            "identity": {key: value for key, value in model.identity().items() if key not in NAMES},
            "bf16": model.low_precision,
            "scaled_decoding": model.scaled_decoding,
        }
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode())
        add_weights(digest, model.trained_weights())
        return digest.hexdigest()[:32]

    def texts(
        self, texts: Sequence[str], progress: Callable[[int, int], None] = lambda done, total: None
    ) -> np.ndarray:
        """Returns the embeddings (n, dim) of texts, fp32, of length 1.

        Args:
            texts: the texts.
            progress: function that is called with the number of texts done and their total.
        """
        embedded = self.model.embed_texts(self.processor, texts, self.head, self.batch_size, progress)
        return embedded.float().numpy()

    def image(self, image: Image) -> np.ndarray:
        """Returns the embedding (dim,) of an image.

        Raises:
            UnreadableImage: if it cannot be read.
        """
        (embedded,) = self.images([image])
        if embedded.vector is None:
            raise UnreadableImage(embedded.reason, image)
        return embedded.vector

    def images(
        self, images: Sequence[Image], skip: Callable[[Image], bool] = lambda image: False
    ) -> Iterator[Embedded]:
        """Yields each image, in order, with its embedding or the reason why it is unreadable.

        Several threads read the next batch while one is embedded.

        Args:
            images: the images.
            skip: function that returns whether an image needs no embedding. It is called in reading threads, and
                may raise `UnreadableImage`.
        """
        batches = [
            images[start : start + self.batch_size] for start in range(0, len(images), self.batch_size)
        ]
        read = partial(_read, self.processor.reader, skip)
        ahead = ThreadPoolExecutor(READERS)
        try:
            pending = [[ahead.submit(read, image) for image in batch] for batch in batches[:1]]
            for number, batch in enumerate(batches, 1):
                results = [future.result() for future in pending.pop()]
                pending += [
                    [ahead.submit(read, image) for image in after] for after in batches[number : number + 1]
                ]
                yield from self._embedded(batch, results)
        finally:
            ahead.shutdown(cancel_futures=True)

    def _embedded(self, batch: Sequence[Image], results: Sequence[Tensor | str | None]) -> Iterator[Embedded]:
        """Yields the images of a batch with their embeddings, given what `_read` returned for each."""
        pairs = list(zip(batch, results, strict=True))
        reasons = {image: result for image, result in pairs if isinstance(result, str)}
        read = {image: result for image, result in pairs if isinstance(result, Tensor)}
        vectors = self._vectors(read, reasons)
        for image in batch:
            yield Embedded(image, vectors.get(image), reasons.get(image, ""))

    @torch.no_grad()
    def _vectors(self, read: dict[Image, Tensor], reasons: dict[Image, str]) -> dict[Image, np.ndarray]:
        """Embeds images that were read. Those whose features or embeddings are not finite get a reason."""
        if not read:
            return {}
        rows, stage = torch.cat(list(read.values())).to(self.model.device), self.processor.reader.stage
        if stage == "pixels":
            rows, stage = self.model.encode(rows), "features"
        frames = [frame for image in read for frame in image.frames]
        finite = finite_rows(rows).tolist()
        features = {frame: row for frame, row, usable in zip(frames, rows, finite, strict=True) if usable}
        images = [image for image in read if all(frame in features for frame in image.frames)]
        processor = copy(self.processor)
        processor.reader = _Held(features, stage)
        embedded = self.model.embed_images(processor, images, self.head, self.batch_size).float().numpy()
        vectors = {
            image: vector for image, vector in zip(images, embedded, strict=True) if np.isfinite(vector).all()
        }
        reasons |= {
            image: str(not_finite(image, self.model.vision.name)) for image in read if image not in vectors
        }
        return vectors


class _Held:
    """Image reader that gives what was read and encoded before."""

    def __init__(self, rows: dict[Image, Tensor], stage: Stage) -> None:
        self.rows, self.stage = rows, stage

    def __call__(self, images: Sequence[Image]) -> Tensor:
        rows = [self.rows[image] for image in images]
        return torch.stack(rows) if rows else torch.zeros(0)


def _read(reader: ImageReader, skip: Callable[[Image], bool], image: Image) -> Tensor | str | None:
    """Returns the pixels or features (frames, …) of an image, the reason why it is unreadable, or None to skip it."""
    try:
        return None if skip(image) else reader(image.frames)
    except UnreadableImage as error:
        return str(error)
