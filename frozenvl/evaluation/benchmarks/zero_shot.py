"""Zero-shot classification: chooses the class of each image from a list of labels, without examples (CLIP)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from frozenvl.data.sources.source import Source
from frozenvl.evaluation.asks import Measure
from frozenvl.evaluation.benchmark import Scores, Setting
from frozenvl.evaluation.benchmarks.labels import LabelBenchmark
from frozenvl.evaluation.benchmarks.sourced import own_name
from frozenvl.evaluation.query import Answer
from frozenvl.metrics.label_scores import By
from frozenvl.metrics.zero_shot import METRICS, classification_scores
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError


class ZeroShot(LabelBenchmark):
    """Classifies images by a list of labels; accuracy at 1 and 5, and the recall of each class.

    The label of an image is its example's answer (`LabelledImages`: the name of its subfolder), its `label` in `kind`
    (`ImageFolder`) or its only reference (`TableCaptions`: a table of files and labels). Equal scores count as wrong,
    and so does an image that cannot be read.

    Args:
        task: name in `data.val` of the task to evaluate, by default "labels". Give either a task or a source.
        source: labelled images.
        labels: labels to choose among; by default all labels of the data.
        labels_file: text file with one label a line, in place of `labels`.
        templates: sentences with the field `{label}`, or the name of a list in `LABEL_TEMPLATES`: "photo", "caption" or
            "word".
            Embeddings of all templates are averaged (CLIP), and so are log-probabilities.
        by: "embedding" compares embeddings of image and label, "likelihood" log-probabilities of the label after the
            image, "both" the sum of the log-softmaxes of both.
        head: embedding head of the model: its name, "" for its only one, null for the last hidden state.
        choose: log-probability of a label: its "sum" over tokens, its "mean", "calibrated" (sum minus the sum given a
            black image) or "difference" (sum minus `alpha` times the sum without any image).
        alpha: weight of the log-probability without images in "difference".
        end_token: whether the end token after a label counts.
        supervised_probe: accuracy in percent of a supervised linear probe on the same features, measured elsewhere; it
            stands beside the scores as a baseline.
        supervised_encoder: note for reports about an encoder that was trained with labels of these classes.
    """

    protocol = "zero_shot"
    metrics = METRICS

    def __init__(
        self,
        task: str | None = None,
        source: Source | None = None,
        labels: Sequence[str] | None = None,
        labels_file: str | None = None,
        templates: Literal["photo", "caption", "word"] | Sequence[str] = "photo",
        by: By = "embedding",
        head: str | None = "",
        choose: Measure = "sum",
        alpha: float = 1.0,
        end_token: bool = False,
        supervised_probe: float | None = None,
        supervised_encoder: str = "",
    ) -> None:
        super().__init__(
            task or ("labels" if source is None else None),
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
        self.name = own_name(task, "labels", self.protocol)

    def check_examples(self) -> None:
        """Raises `UserError` if an image has no label, or one that `labels` lacks."""
        self.find_labels()

    def find_labels(self) -> tuple[str, ...]:
        counts = Counter(label_of(example) for example in self.examples)
        found = sorted(counts)
        if missing := [label for label in found if self.given and label not in self.given]:
            images = sum(counts[label] for label in missing)
            raise UserError(
                f"{images} of {len(self.examples)} images have a label that the given labels lack ({missing[0]!r}); "
                "add it, or leave these images out"
            )
        if not self.given and len(found) < 2:
            raise UserError(f"all images have the label {found[0]!r}; give `labels` to choose among")
        return self.given or tuple(found)

    def references(self, example: Example) -> tuple[str, ...]:
        return (label_of(example),)

    def score(self, setting: Setting, answers: Mapping[str, Answer]) -> Scores:
        asked, matrix = self.matrix(answers)
        truth = {example.id: label_of(example) for example in asked}
        photographs = {example.id: example.image_id for example in asked}
        return classification_scores(matrix, self.labels, truth, photographs)

    def right(self, answer: Answer) -> float | None:
        if not answer.query.candidates:
            return None
        place = self.labels.index(answer.query.references[0])
        others = [value for index, value in enumerate(answer.values) if index != place]
        return float(bool(answer.values) and answer.values[place] > max(others))

    def baselines(self, setting: Setting) -> dict[str, float]:
        """Returns chance (1 / number of labels), the share of the most frequent class, and the probe if given."""
        counts = Counter(label_of(example) for example in self.examples)
        return {
            "chance": 100 / len(self.labels),
            "most_frequent": 100 * max(counts.values()) / len(self.examples),
            **self.supervised,
        }


def label_of(example: Example) -> str:
    """Returns the label of an image, with `_` of a folder's name read as a space.

    Raises:
        UserError: if the example has none, or several.
    """
    texts = {text.strip() for text in example.references}
    label = example.answer or example.kind.get("label", "").replace("_", " ") or next(iter(texts), "")
    if not label.strip() or (not example.answer and "label" not in example.kind and len(texts) > 1):
        raise UserError(
            f"example {example.id} has {'several labels' if label.strip() else 'no label'}; give images with one label "
            "each, such as LabelledImages (a subfolder for each class) or TableCaptions (a table of files and labels); "
            "captions are for Tagging"
        )
    return label.strip()
