"""Reconstruction: how much of an image an autoencoder keeps, by PSNR and SSIM."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

import numpy as np
import PIL.Image

from frozenvl.data.sources.source import Source
from frozenvl.evaluation.asks import Reconstruct
from frozenvl.evaluation.benchmark import Scores, Setting
from frozenvl.evaluation.benchmarks.sourced import Sourced, own_name
from frozenvl.evaluation.query import Answer, Query
from frozenvl.metrics.pictures import METRICS, fidelity, mean_scores
from frozenvl.model.processor import Pixels
from frozenvl.util.errors import UnreadableImage
from frozenvl.util.gallery import Tile
from frozenvl.util.lazy import LazySequence

SHOWN = 16
"""Number of images in the gallery: the first ones by id, so that none is chosen."""


class Reconstruction(Sourced):
    """Encodes and decodes images by the model's `Autoencoder`; PSNR and SSIM of the pictures, at the model's size.

    Images that cannot be read are left out. The gallery shows the first 16 images by id, each beside its picture.

    Args:
        task: name in `data.val` of the task whose images are read, by default "captions". Give either a task or a
            source.
        source: images.
    """

    protocol = "reconstruction"
    metrics = METRICS
    ask = Reconstruct()

    def __init__(self, task: str | None = None, source: Source | None = None) -> None:
        super().__init__(task or ("captions" if source is None else None), source)
        self.name = own_name(task, "captions", self.protocol)

    def queries(self, setting: Setting) -> Sequence[Query]:
        return LazySequence(len(self.source), self._query)

    def _query(self, index: int) -> Query:
        example = self.source[index]
        return Query(example.id, (example.image,), example.image_id, image=example.image)

    def score(self, setting: Setting, answers: Mapping[str, Answer]) -> Scores:
        pairs = list(with_originals(answers.values()))
        values = [fidelity(answer.picture[None], true[None]) for answer, true in pairs]
        columns = {name: np.array([row[name][0] for row in values]) for name in values[0]} if values else {}
        return mean_scores(columns, [answer.query.image_id for answer, _ in pairs])

    def tiles(self, setting: Setting, answers: Mapping[str, Answer]) -> Iterator[Tile]:
        for answer, true in islice(with_originals(answers.values()), SHOWN):
            values = fidelity(answer.picture[None], true[None])
            line = ", ".join(
                f"{metric.name} {values[metric.name][0]:.{metric.digits}f}" for metric in METRICS
            )
            yield Tile(PIL.Image.fromarray(true), [answer.query.id])
            yield Tile(PIL.Image.fromarray(answer.picture), [line])


def with_originals(answers: Iterable[Answer]) -> Iterator[tuple[Any, np.ndarray]]:
    """Yields the answers that are pictures, each with its query's image fitted into the same square.

    Answers without a picture, and those whose image cannot be read, are left out.

    Returns:
        Answers, and pixels (size, size, 3), uint8.
    """
    for answer in answers:
        if answer.picture is not None and answer.query.image is not None:
            with suppress(UnreadableImage):
                (pixels,) = Pixels(answer.picture.shape[0])([answer.query.image])
                yield answer, pixels.permute(1, 2, 0).numpy()
