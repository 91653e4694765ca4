"""Tagging: scores every tag of a list for each image; the captions of an image tell which tags are true."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from frozenvl.data.sources.source import Source
from frozenvl.data.stream import Task
from frozenvl.evaluation.asks import Measure
from frozenvl.evaluation.benchmark import Scores, Setting
from frozenvl.evaluation.benchmarks.labels import LabelBenchmark
from frozenvl.evaluation.benchmarks.sourced import own_name
from frozenvl.evaluation.query import Answer
from frozenvl.metrics.content_words import most_frequent_words, number_with
from frozenvl.metrics.label_scores import By
from frozenvl.metrics.tagging import random_map, tagging_metrics, tagging_scores
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError


class Tagging(LabelBenchmark):
    """Ranks images by each tag (mAP), and tags by each image (precision and recall of the first k).

    A tag is true of an image if at least `min_captions` of its captions contain it, as it is written. Without a list of
    tags, the tags are the most frequent content words of the training captions, without the function words of
    `frozenvl.metrics.content_words.STOP_WORDS`. Tags that are true of no image are left out of mAP; a note counts them.

    Args:
        task: name in `data.val` of the task to evaluate, by default "captions". Give either a task or a source.
        source: images with captions.
        labels: the tags.
        labels_file: text file with one tag a line, in place of `labels`.
        most_frequent: number of tags that are taken from the training captions, if none are given.
        train: training captions, for the most frequent words; by default the task of this name in `data.train`.
        min_captions: number of captions that have to contain a tag.
        k: number of tags that are taken as the answer for an image.
        templates: sentences with the field `{label}`, or the name of a list in `LABEL_TEMPLATES`: "photo", "caption" or
            "word".
            Embeddings of all templates are averaged (CLIP), and so are log-probabilities.
        by: "embedding" compares embeddings of image and tag, "likelihood" log-probabilities of the tag after the image,
            "both" the sum of the log-softmaxes of both.
        head: embedding head of the model: its name, "" for its only one, null for the last hidden state.
        choose: log-probability of a tag: its "sum" over tokens, its "mean", "calibrated" (sum minus the sum given a
            black image) or "difference" (sum minus `alpha` times the sum without any image).
        alpha: weight of the log-probability without images in "difference".
        end_token: whether the end token after a tag counts.
        supervised_probe: mAP of a supervised linear probe on the same features, measured elsewhere; it stands beside
            the scores as a baseline.
        supervised_encoder: note for reports about an encoder that was trained with labels of these tags.
    """

    protocol = "tagging"

    def __init__(
        self,
        task: str | None = None,
        source: Source | None = None,
        labels: Sequence[str] | None = None,
        labels_file: str | None = None,
        most_frequent: int = 100,
        train: Source | None = None,
        min_captions: int = 2,
        k: int = 5,
        templates: Literal["photo", "caption", "word"] | Sequence[str] = "photo",
        by: By = "embedding",
        head: str | None = "",
        choose: Measure = "difference",
        alpha: float = 1.0,
        end_token: bool = False,
        supervised_probe: float | None = None,
        supervised_encoder: str = "",
    ) -> None:
        super().__init__(
            task or ("captions" if source is None else None),
            source,
            labels,
            labels_file,
            templates,
            by,
            head,
            choose,
            alpha,
            end_token,
            supervised_probe,
            supervised_encoder,
        )
        self.name = own_name(task, "captions", self.protocol)
        if most_frequent < 2 or min_captions < 1 or k < 1:
            raise UserError("Tagging: most_frequent starts at 2, min_captions and k at 1")
        self.most_frequent, self.min_captions, self.k = most_frequent, min_captions, k
        self.train = train
        self._own_train = train is not None
        self.metrics = tagging_metrics(k)
        self._truth: np.ndarray | None = None

    def bind(self, train: Mapping[str, Task], val: Mapping[str, Task]) -> None:
        super().bind(train, val)
        self._truth = None
        if not self.given and not self._own_train:
            name = self.task or "captions"
            if name not in train:
                names = ", ".join(train) or "none"
                raise UserError(
                    f"Tagging: no task {name!r} in data.train to take the most frequent words from (there are: "
                    f"{names}); give `train`, a source of training captions, or the tags as `labels`"
                )
            self.train = train[name].source

    def find_labels(self) -> tuple[str, ...]:
        if self.given:
            return self.given
        assert self.train is not None
        captions = (text for index in range(len(self.train)) for text in self.train[index].references)
        words = most_frequent_words(captions, self.most_frequent)
        if len(words) < 2:
            raise UserError(
                f"the training captions have {len(words)} content words; Tagging needs captions there, or the tags as "
                "`labels`"
            )
        return tuple(words)

    @property
    def truth(self) -> np.ndarray:
        """Whether (examples, tags) each tag is true of each example."""
        if self._truth is None:
            counts = [number_with(example.references, self.labels) for example in self.examples]
            self._truth = np.array(counts) >= self.min_captions
        return self._truth

    def check_examples(self) -> None:
        """Raises `UserError` if no tag is true of any image."""
        if not self.truth.any():
            raise UserError(
                f"none of the {len(self.labels)} tags stands in {self.min_captions} captions of an image; give other "
                "tags, or a smaller min_captions"
            )

    def rules(self) -> dict[str, Any]:
        tags = {} if self.given else {"tags": f"{self.most_frequent} most frequent content words"}
        return {"min_captions": self.min_captions, **tags}

    def true_labels(self, example: Example) -> Collection[str]:
        counts = number_with(example.references, self.labels)
        return [tag for tag, count in zip(self.labels, counts, strict=True) if count >= self.min_captions]

    def scored_by(self, setting: Setting) -> dict[str, Any]:
        return super().scored_by(setting) | {"k": self.k}

    def references(self, example: Example) -> tuple[str, ...]:
        return example.references

    def score(self, setting: Setting, answers: Mapping[str, Answer]) -> Scores:
        asked, matrix = self.matrix(answers)
        ids = {example.id for example in asked}
        rows = [row for row, example in enumerate(self.examples) if example.id in ids]
        photographs = [example.image_id for example in asked]
        return tagging_scores(matrix, self.truth[rows], self.labels, photographs, self.k)

    def baselines(self, setting: Setting) -> dict[str, float]:
        """Returns the expected mAP of random scores, and the supervised probe if given."""
        return {"random": random_map(self.truth), **self.supervised}
