"""The label objective: an image is embedded near its labels and apart from all other labels of a list."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, logsigmoid, normalize

from frozenvl.model.batch import Batch
from frozenvl.model.forward import Forward
from frozenvl.model.frozen import FrozenVL
from frozenvl.objectives.contrastive import MAX_SCALE
from frozenvl.objectives.objective import Objective
from frozenvl.prompt import Sample
from frozenvl.util.errors import UserError
from frozenvl.util.text_files import text_lines
from frozenvl.wording import LABEL_TEMPLATES, label_text

if TYPE_CHECKING:
    from frozenvl.data.stream import Task


class LabelMatching(Objective):
    """Cross-entropy of an image's labels among a list of labels, by the similarity of embeddings (CLIP, DeViSE).

    Each label is worded by every template, embedded by the head's text side, averaged, and normalised (CLIP, section
    3.1.4). Labels are embedded with gradient for each micro-batch: a linear map if the head caches its text states
    (`data.cache_features`), or else a pass of the language model over labels × templates short prompts.

    A sample has the label that its target text equals; samples without one are left out. With `multi` it has all
    labels whose words stand in the target, in their order, and each label is decided by itself (sigmoid loss, SigLIP).
    Case and punctuation do not count. The denominator is the number of images; an image's loss with `multi` is a sum
    over labels.

    Args:
        head: name of the embedding head; by default the only one.
        labels: the labels.
        labels_file: text file with a label per line, in place of `labels`.
        templates: sentences with the field `{label}`, or the name of a list in `LABEL_TEMPLATES`: "photo", "caption" or
            "word".
        multi: whether an image has several labels.
        temperature: first value of the trained temperature; by default 0.07, or 0.1 with `multi`.
        bias: first value of the trained bias of `multi`.
        weight: factor of this objective in the loss.
    """

    separate = True
    undecayed = ("log_scale", "bias")

    def __init__(
        self,
        head: str | None = None,
        labels: list[str] | None = None,
        labels_file: str | None = None,
        templates: Literal["photo", "caption", "word"] | Sequence[str] = "photo",
        multi: bool = False,
        temperature: float | None = None,
        bias: float = -3.0,
        weight: float = 1.0,
    ) -> None:
        super().__init__(weight)
        temperature = (0.1 if multi else 0.07) if temperature is None else temperature
        if not 1 / MAX_SCALE <= temperature < math.inf:
            raise UserError(
                f"model.objectives: temperature is {temperature}; give a number from {1 / MAX_SCALE:g}"
            )
        if (labels is None) == (labels_file is None):
            raise UserError("model.objectives: give LabelMatching either labels or labels_file")
        templates = LABEL_TEMPLATES[templates] if isinstance(templates, str) else tuple(templates)
        if not templates:
            raise UserError("model.objectives: templates is empty; '{label}' is the label alone")
        for template in templates:
            label_text(template, "")
        self.head, self.templates, self.multi = head, templates, multi
        self.labels_file = labels_file
        if labels is not None:
            self.labels = checked(labels, "labels")
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))
        if multi:
            self.bias = nn.Parameter(torch.tensor(float(bias)))

    @cached_property
    def labels(self) -> list[str]:
        """The labels. A file is read on first use: an exported model does not need it."""
        assert self.labels_file is not None
        return checked(text_lines(Path(self.labels_file)), self.labels_file)

    @cached_property
    def _number(self) -> dict[str, int]:
        """Number of each label, by its words."""
        return {words_of(label): number for number, label in enumerate(self.labels)}

    def attach(self, model: FrozenVL) -> None:
        self._prompts = model.head(self.head).prompts

    def bind(self, tasks: Mapping[str, Task]) -> None:
        """Checks that the training data have a label.

        Raises:
            UserError: if no target has one, or the file of labels is not valid.
        """
        texts = (
            task.template.target.replace("{target}", task.source[example].targets[target])
            for task in tasks.values()
            for example, target in map(task.source.pair, range(task.source.pairs))
        )
        if not any(self.labels_of(text) for text in texts):
            how = "contains one as a word" if self.multi else "equals one; set multi for captions"
            raise UserError(
                f"model.objectives: none of the targets in data.train has one of the {len(self.labels)} labels: none "
                f"{how}, or change the labels"
            )

    def texts(self) -> list[str]:
        """Returns the wordings of all labels, each label's side by side."""
        return ["".join(label_text(template, label)) for label in self.labels for template in self.templates]

    def labels_of(self, text: str) -> list[int]:
        """Returns the numbers of a target text's labels."""
        words = words_of(text)
        if not self.multi:
            return [self._number[words]] if words in self._number else []
        return [number for label, number in self._number.items() if f" {label} " in f" {words} "]

    def rows(self, sample: Sample) -> Sequence[Sample]:
        """Returns the prompt that embeds the last image, and the target text; none if the sample is left out."""
        text = sample.target.strip()
        if not text or not sample.images or not (self.multi or self.labels_of(text)):
            return ()
        image = self._prompts.of_image(sample.images[-1])
        return Sample(sample.id, image), Sample(sample.id, (text,))  # no model reads the text

    def common_rows(self) -> Sequence[Sample]:
        """Returns the prompts that embed the wordings of all labels."""
        return [Sample(text, self._prompts.of_text(text)) for text in self.texts()]

    def count(self, batch: Batch) -> int:
        """Returns the number of images."""
        return (len(batch) - self._worded) // 2 if len(batch) else 0

    def total(self, run: Forward) -> Tensor:
        batch, head = run.batch, run.model.head(self.head)
        if not self.count(batch):
            return run.prefix.new_zeros((), dtype=torch.float32)
        with torch.no_grad():
            self.log_scale.clamp_(max=math.log(MAX_SCALE))
        images = run.on(batch.select(torch.arange(self._worded, len(batch), 2)))
        numbers = [self.labels_of(text) for text in batch.texts[self._worded + 1 :: 2]]
        return self._sum(head.embed_images(images), self.label_vectors(run), numbers)

    def label_vectors(self, run: Forward) -> Tensor:
        """Returns the embeddings (labels, dim) of the labels: fp32, of length 1."""
        worded = run.on(run.batch.select(torch.arange(self._worded)))
        vectors = run.model.head(self.head).embed_texts(worded)
        return normalize(vectors.unflatten(0, (len(self.labels), len(self.templates))).mean(1), dim=-1)

    @property
    def _worded(self) -> int:
        """Number of rows with wordings of labels, which come first in a batch."""
        return len(self.labels) * len(self.templates)

    def _sum(self, images: Tensor, labels: Tensor, numbers: Sequence[Sequence[int]]) -> Tensor:
        """Returns the sum of the loss over images.

        Args:
            images: (n, dim) embeddings of images, of length 1.
            labels: (labels, dim) embeddings of labels, of length 1.
            numbers: numbers of each image's labels.
        """
        logits = self.log_scale.exp() * images @ labels.T
        if not self.multi:
            target = torch.tensor([number for (number,) in numbers], dtype=torch.long, device=logits.device)
            return cross_entropy(logits, target, reduction="sum")
        signs = torch.full(logits.shape, -1.0, dtype=logits.dtype)
        for row, own in enumerate(numbers):
            signs[row, list(own)] = 1.0
        return -logsigmoid(signs.to(logits.device) * (logits + self.bias)).sum()


def words_of(text: str) -> str:
    """Returns the words of a text in lower case, with single spaces between them."""
    return " ".join(re.findall(r"\w+(?:['’-]\w+)*", text.casefold()))


def checked(labels: Sequence[str], where: str) -> list[str]:
    """Checks a list of labels.

    Args:
        labels: the labels.
        where: name of the list for messages.

    Raises:
        UserError: if there are fewer than two, one has no words, or two have the same words.
    """
    labels = [label.strip() for label in labels]
    if len(labels) < 2:
        raise UserError(
            f"{where}: {len(labels)} labels; an image's label is told from others: give 2 or more"
        )
    number: dict[str, int] = {}
    for place, label in enumerate(labels, 1):
        words = words_of(label)
        if not words:
            raise UserError(f"{where}: label {place} is {label!r}, without a word; delete it")
        if words in number:
            raise UserError(
                f"{where}: labels {number[words]} and {place} are both {words!r}; delete one of them"
            )
        number[words] = place
    return labels
