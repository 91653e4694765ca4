"""Drawing: draws a caption of each image, and looks for the image by the drawn picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import PIL.Image
import torch

from frozenvl.data.sources.source import Source
from frozenvl.evaluation.asks import Draw
from frozenvl.evaluation.benchmark import Scores, Setting
from frozenvl.evaluation.benchmarks.reconstruction import SHOWN, with_originals
from frozenvl.evaluation.benchmarks.sourced import Sourced, own_name
from frozenvl.evaluation.query import Answer, Query
from frozenvl.metrics.drawing import DEPTHS, METRICS, drawing_scores
from frozenvl.metrics.pictures import fidelity, mean_scores
from frozenvl.metrics.vectors import unit_vectors
from frozenvl.model.vision import TimmEncoder
from frozenvl.model.vision.fixed_batches import in_fixed_batches
from frozenvl.util.errors import UserError
from frozenvl.util.gallery import Tile
from frozenvl.util.lazy import LazySequence


class Drawing(Sourced):
    """Draws the first caption of each image by the model's drawing head; recall of the image by the drawn picture.

    A frozen encoder, which the model does not use, embeds the drawn pictures and the true images, both at the size of
    the drawn ones. R@k is the share of pictures whose true image is among the k nearest of all (cosine). The gallery
    shows the first 16 images by id, each beside the picture of its caption. Images that cannot be read are left out.

    Args:
        task: name in `data.val` of the task whose captions are drawn, by default "captions". Give either a task or a
            source.
        source: images with captions.
        head: name of the drawing head; by default the only one.
        seed: seed of codes that are drawn at random.
        temperature: temperature of codes; 0 draws the most likely ones.
        encoder: timm's name of the encoder that compares pictures, or a model of `frozenvl fetch`.
    """

    protocol = "drawing"
    metrics = METRICS

    def __init__(
        self,
        task: str | None = None,
        source: Source | None = None,
        head: str | None = None,
        seed: int = 0,
        temperature: float = 1.0,
        encoder: str = "EfficientNet-Lite0",
    ) -> None:
        super().__init__(task or ("captions" if source is None else None), source)
        self.name = own_name(task, "captions", self.protocol)
        self.ask = Draw(head, seed, temperature)
        self.encoder = encoder

    @cached_property
    def _encoder(self) -> TimmEncoder:
        return TimmEncoder(self.encoder).eval()

    def queries(self, setting: Setting) -> Sequence[Query]:
        return LazySequence(len(self.source), self._query)

    def _query(self, index: int) -> Query:
        example = self.source[index]
        if not example.references or not example.references[0].strip():
            raise UserError(f"example {example.id} has no caption to draw; leave it out")
        caption = example.references[0]
        return Query(
            example.id,
            (caption,),
            example.image_id,
            references=(caption,),
            image=example.image,
            question=caption,
        )

    def scored_by(self, setting: Setting) -> dict[str, Any]:
        return {"compared_by": self.encoder}

    def score(self, setting: Setting, answers: Mapping[str, Answer]) -> Scores:
        pairs = list(with_originals(answers.values()))
        if not pairs:
            return mean_scores({}, [])  # says that there are none
        pictures = self._features([answer.picture for answer, _ in pairs])
        images = self._features([true for _, true in pairs])
        return drawing_scores(pictures, images, [answer.query.image_id for answer, _ in pairs])

    @torch.no_grad()
    def _features(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the features (pictures, dim), of length 1, of pictures (height, width, 3), uint8."""
        pixels = self._encoder.reader().one
        rows = [pixels(PIL.Image.fromarray(picture)) for picture in pictures]
        features = in_fixed_batches(self._encoder, torch.stack(rows)).mean(1)
        return unit_vectors(list(features.numpy()))

    def baselines(self, setting: Setting) -> dict[str, float]:
        """Returns chance, which is also what one picture for all captions reaches."""
        return {"chance": min(100.0, 100.0 * DEPTHS[-1] / len(self.source))}

    def tiles(self, setting: Setting, answers: Mapping[str, Answer]) -> Iterator[Tile]:
        for answer, true in islice(with_originals(answers.values()), SHOWN):
            (psnr,) = fidelity(answer.picture[None], true[None])["PSNR"]
            yield Tile(PIL.Image.fromarray(true), [answer.query.id], answer.query.question)
            yield Tile(PIL.Image.fromarray(answer.picture), [f"drawn, PSNR {psnr:.1f}"])
