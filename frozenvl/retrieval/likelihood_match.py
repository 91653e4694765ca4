"""How well texts fit images by likelihood: log p(text | image) - log p(text). It needs no training for matching."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from typing import NamedTuple

import numpy as np

from frozenvl.model.frozen import FrozenVL
from frozenvl.model.prefix_cache import PrefixCache
from frozenvl.model.processor import Processor
from frozenvl.prompt import Example, Image, without_images
from frozenvl.util.errors import UnreadableImage
from frozenvl.wording import Template

IMAGES = 16
"""Number of images that are read together."""


class Matched(NamedTuple):
    """An image with the score of each text, or with the reason why it has none."""

    image: Image
    scores: np.ndarray | None
    """Likelihood differences (texts,), in nats, fp64; None if the image is unreadable."""
    reason: str = ""
    """Error line of an unreadable image."""


def likelihood_differences(
    model: FrozenVL,
    processor: Processor,
    images: Sequence[Image],
    texts: Sequence[str],
    template: Template | None = None,
    alpha: float = 1.0,
) -> Iterator[Matched]:
    """Yields each image, in order, with log p(text | image) - alpha · log p(text) of each text, in nats.

    A raw likelihood prefers texts that are common or short. The difference asks what the image adds. Both terms are
    sums over the text's tokens and its end token; without an image, the language model begins with its start token.

    Args:
        model: the model.
        processor: processor of the model.
        images: the images.
        texts: the texts.
        template: wording of captions; by default the image, then the text.
        alpha: weight of the text's own log-probability.
    """
    template = template or Template()
    reading = copy(processor)
    reading.reader = PrefixCache(model, processor.reader)  # an unreadable image costs no other a second pass
    candidates = [template.target.format(target=text) for text in texts]
    prompts = [template.prompt(Example(image.name, image, image.name)) for image in images]
    alone: np.ndarray | None = None
    for start in range(0, len(images), IMAGES):
        batch = {place: prompts[place] for place in range(start, min(start + IMAGES, len(images)))}
        reasons: dict[int, str] = {}
        scores: dict[int, np.ndarray] = {}
        if alone is None:  # the prompts differ in their images only
            blind = without_images(prompts[0])
            alone = _log_likelihoods(model, processor.for_texts(), [blind], candidates)[0]
        while batch:
            try:
                rows = _log_likelihoods(model, reading, list(batch.values()), candidates)
                scores = {place: row - alpha * alone for place, row in zip(batch, rows, strict=True)}
                break
            except UnreadableImage as error:
                unreadable = [place for place in batch if images[place] == error.image]
                if not unreadable:
                    raise
                reasons |= {place: str(error) for place in unreadable}
                batch = {place: prompt for place, prompt in batch.items() if place not in unreadable}
        for place in range(start, min(start + IMAGES, len(images))):
            yield Matched(images[place], scores.get(place), reasons.get(place, ""))


def _log_likelihoods(
    model: FrozenVL, processor: Processor, prompts: Sequence, candidates: Sequence[str]
) -> np.ndarray:
    """Returns the log-probability (prompts, candidates) of each candidate after each prompt, in nats."""
    ranked = model.rank_candidates(processor, prompts, [candidates] * len(prompts))
    return np.array([[likelihood.logp for likelihood in row] for row in ranked], np.float64)
