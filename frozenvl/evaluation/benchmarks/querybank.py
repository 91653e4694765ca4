"""`Querybank`: training data that is embedded beside a gallery, to normalise its similarities."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property

import numpy as np

from frozenvl.data.order import Permutation
from frozenvl.data.sources.source import Source
from frozenvl.evaluation.benchmarks.sourced import vectors_of
from frozenvl.evaluation.query import Answer, Query
from frozenvl.metrics.querybank import querybank_normalised
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError


class Querybank:
    """Images of training data, each with one caption.

    Args:
        source: images with captions.
        size: number of images.
    """

    def __init__(self, source: Source, size: int) -> None:
        if size < 1:
            raise UserError("Retrieval: bank_size starts at 1; leave bank out for none")
        self.source, self.size = source, size

    @cached_property
    def _drawn(self) -> dict[str, tuple[Example, str]]:
        """Image key → example and caption, of up to `size` images that have one."""
        drawn: dict[str, tuple[Example, str]] = {}
        for index in Permutation(len(self.source), "bank") if len(self.source) else ():
            example = self.source[index]
            if text := next((text for text in example.references if text.strip()), ""):
                drawn.setdefault(example.image.key, (example, text))
            if len(drawn) == self.size:
                break
        return drawn

    def __len__(self) -> int:
        """Number of images."""
        return len(self._drawn)

    @cached_property
    def queries(self) -> list[Query]:
        """The images, then a caption of each."""
        images = [
            Query(f"bank image {place}", (example.image,), "")
            for place, (example, _) in enumerate(self._drawn.values())
        ]
        captions = [
            Query(f"bank caption {place}", (text,), "", references=(text,))
            for place, (_, text) in enumerate(self._drawn.values())
        ]
        return images + captions

    def check(self, gallery: Collection[str]) -> None:
        """Checks that the bank has captions, and shares no image with a gallery, given by image keys.

        Raises:
            UserError: if it has none, or shares some.
        """
        if not self._drawn:
            raise UserError("no example of its bank has a caption; give training data with captions")
        if shared := len({*gallery} & self._drawn.keys()):
            raise UserError(
                f"{shared} photographs of its bank are in the gallery; give other data, such as training data"
            )

    def is_asked(self, answers: Mapping[str, Answer]) -> bool:
        """Returns whether all of the bank was asked: an evaluation may be limited."""
        return all(query.id in answers for query in self.queries)

    def normalised(
        self, vectors: tuple[np.ndarray, np.ndarray], answers: Mapping[str, Answer]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns vectors of images and captions as `querybank_normalised` does, with the bank's answers."""
        images, captions = np.split(vectors_of([answers[query.id] for query in self.queries]), 2)
        return querybank_normalised(vectors, (images, captions))
