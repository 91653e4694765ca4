"""Base class of benchmarks that score every label of a list for every image, by embeddings or by likelihood."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from frozenvl.data.sources.source import Source
from frozenvl.data.stream import Task
from frozenvl.evaluation.asks import Ask, Choose, Embed, EmbedAndChoose, Measure
from frozenvl.evaluation.benchmark import Setting
from frozenvl.evaluation.benchmarks.sourced import Sourced, named_errors, placed
from frozenvl.evaluation.query import Answer, Query
from frozenvl.evaluation.tiles import MAX_TILES, label_tiles
from frozenvl.metrics.label_scores import By, label_scores
from frozenvl.prompt import Example, joined
from frozenvl.util.errors import UserError
from frozenvl.util.gallery import Tile
from frozenvl.util.text_files import text_lines
from frozenvl.wording import LABEL_TEMPLATES, label_text


class LabelBenchmark(Sourced):
    """Scores every label for every image. Arguments are described in the subclasses."""

    def __init__(
        self,
        task: str | None,
        source: Source | None,
        labels: Sequence[str] | None,
        labels_file: str | None,
        templates: Sequence[str] | str,
        by: By,
        head: str | None,
        choose: Measure,
        alpha: float,
        end_token: bool,
        supervised_probe: float | None = None,
        supervised_encoder: str = "",
    ) -> None:
        super().__init__(task, source, supervised_encoder)
        self.given = read_labels(labels, labels_file)
        if isinstance(templates, str) and templates not in LABEL_TEMPLATES:
            names = ", ".join(LABEL_TEMPLATES)
            raise UserError(
                f"templates: no list {templates!r}; there are {names}, or give a list of sentences"
            )
        self.templates = LABEL_TEMPLATES[templates] if isinstance(templates, str) else tuple(templates)
        if not self.templates:
            raise UserError("templates: none is given; '{label}' is the label alone")
        for template in self.templates:
            label_text(template, "")
        self.by: By = by
        self.supervised = {} if supervised_probe is None else {"supervised_probe": supervised_probe}
        embed, likelihood = Embed(head), Choose(choose, alpha, end_token=end_token)
        asks: dict[By, Ask] = {
            "embedding": embed,
            "likelihood": likelihood,
            "both": EmbedAndChoose(embed, likelihood),
        }
        self.ask = asks[by]
        self._labels: tuple[str, ...] = ()
        self._examples: list[Example] = []

    def bind(self, train: Mapping[str, Task], val: Mapping[str, Task]) -> None:
        super().bind(train, val)
        self._labels, self._examples = (), []

    @abstractmethod
    def find_labels(self) -> tuple[str, ...]:
        """Returns the labels, given or found in the data. Raises `UserError` if they do not fit the examples."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the columns of `matrix`."""
        self._labels = self._labels or self.find_labels()
        return self._labels

    @property
    def examples(self) -> list[Example]:
        """The examples of the source."""
        self._examples = self._examples or [self.source[index] for index in range(len(self.source))]
        return self._examples

    def settings(self) -> list[Setting]:
        return [Setting(provenance={"by": self.by, "templates": list(self.templates), **self.rules()})]

    def rules(self) -> dict[str, Any]:
        """Returns further values that scores depend on, recorded with them."""
        return {}

    def queries(self, setting: Setting) -> Sequence[Query]:
        """Returns the images, the texts of the labels (embedding), and the images with candidates (likelihood).

        A limited evaluation asks for the labels by the first template, then for images, then for further templates.
        """
        if not self.examples:
            return []
        texts, images = [], []
        for number, template in enumerate(self.templates if self.by != "likelihood" else ()):
            worded = ["".join(label_text(template, label)) for label in self.labels]
            texts += [
                Query(f"label{index}/{number}", (text,), "", references=(text,))
                for index, text in enumerate(worded)
            ]
        for example in self.examples:
            images += self._of_image(example)
        start = len(self.labels) if texts else 0
        return placed([*images[:1], *texts[:start], *images[1:], *texts[start:]])

    def _of_image(self, example: Example) -> list[Query]:
        """Returns the queries about an image: its embedding, and the likelihoods by each template."""
        shared: dict[str, Any] = {
            "image_id": example.image_id,
            "references": self.references(example),
            "image": example.image,
        }
        queries = []
        if self.by != "likelihood":
            queries.append(Query(f"{example.id}/image", (example.image,), **shared))
        for number, template in enumerate(self.templates if self.by != "embedding" else ()):
            worded = [label_text(template, label) for label in self.labels]
            prompt = joined([example.image, worded[0][0]])
            candidates = tuple(candidate for _, candidate in worded)
            queries.append(Query(f"{example.id}/likelihood{number}", prompt, candidates=candidates, **shared))
        return queries

    def prepare(self, progress: bool) -> None:
        """Raises `UserError` if the labels do not fit the examples."""
        with named_errors(self.name):
            if self.examples:
                self.check_examples()

    @abstractmethod
    def check_examples(self) -> None:
        """Raises `UserError` if the labels do not fit the examples."""

    @abstractmethod
    def references(self, example: Example) -> tuple[str, ...]:
        """Returns the texts that a label is checked against, recorded with the predictions."""

    def matrix(self, answers: Mapping[str, Answer]) -> tuple[list[Example], np.ndarray]:
        """Returns the examples that were asked, and the score (examples, labels) of each label; nan if unknown."""
        asked = [
            example
            for example in self.examples
            if any(query.id in answers for query in self._of_image(example))
        ]
        vector = lambda key: answers[key].vector if key in answers else None
        templates = range(len(self.templates))
        return asked, label_scores(
            self.by,
            len(self.labels),
            [vector(f"{example.id}/image") for example in asked],
            [[vector(f"label{index}/{number}") for index in range(len(self.labels))] for number in templates],
            [
                [
                    answers[key].values
                    for key in (f"{example.id}/likelihood{number}" for number in templates)
                    if key in answers
                ]
                for example in asked
            ],
        )

    def true_labels(self, example: Example) -> Collection[str]:
        """Returns the labels that are right for an image, for the gallery."""
        return self.references(example)

    def tiles(self, setting: Setting, answers: Mapping[str, Answer]) -> Iterator[Tile]:
        """Yields images with their first labels."""
        asked, scores = self.matrix(answers)
        truth = [self.true_labels(example) for example in asked]
        return islice(
            label_tiles([example.image for example in asked], truth, self.labels, scores), MAX_TILES
        )

    def scored_by(self, setting: Setting) -> dict[str, Any]:
        return {"labels": list(self.labels)}


def read_labels(labels: Sequence[str] | None, labels_file: str | None) -> tuple[str, ...]:
    """Returns the labels of a list or of a text file with one label a line; () if neither is given.

    Raises:
        UserError: if both are given, there are fewer than two labels, or one is empty or stands twice.
    """
    if labels is None and labels_file is None:
        return ()
    if labels is not None and labels_file is not None:
        raise UserError("labels and labels_file are both given; give one")
    where = labels_file or "labels"
    given = [label.strip() for label in (text_lines(Path(labels_file)) if labels_file else labels or ())]
    unit = "line" if labels_file else "label"
    if not any(given):
        raise UserError(f"{where}: holds no labels; write one a line" if labels_file else "labels: is empty")
    if "" in given:
        raise UserError(f"{where}: {unit} {given.index('') + 1} is empty; remove it")
    if len(given) < 2:
        raise UserError(f"{where}: holds one label, {given[0]!r}; give at least two to choose among")
    for place, label in enumerate(given):
        if (first := given.index(label)) < place:
            raise UserError(
                f"{where}: {label!r} stands twice ({unit}s {first + 1} and {place + 1}); remove one"
            )
    return tuple(given)
