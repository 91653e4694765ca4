"""Captioning of pictures whose objects are known: which stated objects are there, beside CIDEr, BLEU and ROUGE-L."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from frozenvl.data.scenes.description import COLOURS, SHAPES
from frozenvl.evaluation.benchmark import Scores, Setting
from frozenvl.evaluation.benchmarks.captions import Captions
from frozenvl.evaluation.query import Answer
from frozenvl.metrics.stated_objects import METRICS, object_scores, shares, stated_objects


class ObjectCaptions(Captions):
    """Captions every image; scores whether the objects that a caption states are in the picture, beside CIDEr.

    An object is an attribute before a noun, such as "red circle". Objects right is the percentage of stated objects
    that are in the picture (precision), objects found the percentage of the picture's objects that are stated
    (recall). The objects of a picture are those of its reference captions, which have to name all of them, as those of
    rendered scenes do.

    Args:
        attributes: words that describe objects; by default the colours of rendered scenes.
        nouns: words for objects, in the singular; by default the shapes of rendered scenes.
        options: arguments of `Captions`.
    """

    protocol = "object_captions"
    metrics = METRICS

    def __init__(
        self, *args: Any, attributes: Sequence[str] = COLOURS, nouns: Sequence[str] = SHAPES, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.attributes, self.nouns = tuple(attributes), tuple(nouns)

    def settings(self) -> list[Setting]:
        words = {"attributes": list(self.attributes), "nouns": list(self.nouns)}
        return [replace(setting, provenance=setting.provenance | words) for setting in super().settings()]

    def score(self, setting: Setting, answers: Mapping[str, Answer]) -> Scores:
        """Returns precision and recall of stated objects, and the scores of `Captions`."""
        examples = [self.source[index] for index in range(len(self.source))]
        return object_scores(
            {key: answer.text for key, answer in answers.items()},
            {example.id: example.references for example in examples},
            {example.id: example.kind for example in examples},
            self.attributes,
            self.nouns,
            partial=True,
            tokenizer=self.tokenizer,
        )

    def right(self, answer: Answer) -> float | None:
        """Returns the share of a caption's objects that are in the picture; 0 for a caption that states none."""
        said = stated_objects(answer.text, self.attributes, self.nouns)
        there = stated_objects(" . ".join(answer.query.references), self.attributes, self.nouns)
        right, _ = shares(np.array([len(said & there), len(said), len(there)]))
        return float(right) / 100
