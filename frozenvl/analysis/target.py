"""What is explained: the log-probability of a text, of each of its words, or the log-odds of two answers."""

from __future__ import annotations

import sys
from copy import copy
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from frozenvl.analysis.words import Word, words_of
from frozenvl.model.batch import IGNORE, Batch
from frozenvl.model.frozen import FrozenVL
from frozenvl.model.processor import Pixels, Processor
from frozenvl.prompt import Image, Prompt, Sample
from frozenvl.util.errors import UserError

Level: TypeAlias = Literal["pixel", "cell", "prefix"]
"""What of the image is changed: its pixels (3, size, size), the encoder's features (tokens, channels), or the prefix
vectors (k, dim)."""
IMAGES_PER_PASS = 32
"""Number of versions of an image that go through the language model together."""


@dataclass(frozen=True)
class Target:
    """What is explained. All values are in nats, without the end token.

    Args:
        text: text that follows the prompt, with the space in front of it if the template has one.
        each_word: True for the log-probability of each word of the text, given those before it; False for their sum.
        against: text to compare with: the value is then log p(text) - log p(against). Empty for none.
    """

    text: str
    each_word: bool = False
    against: str = ""

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise UserError("the text to explain is empty; name one, such as an answer")
        if self.against and self.each_word:
            raise UserError("the log-odds of two answers have no words; explain them as texts")
        if self.against == self.text:
            raise UserError(f"the two answers are the same ({self.text.strip()!r}); name two that differ")

    @property
    def texts(self) -> tuple[str, ...]:
        """Texts whose likelihood the values are made of."""
        return (self.text, self.against) if self.against else (self.text,)


class TargetFunction:
    """Function from versions of one image of a prompt to the values of targets: (N, …) → (N, targets), fp32.

    It goes through the model's own pass: versions are packed together, and what stands in front of the image is
    computed once. It has a gradient at its input, if torch records gradients.

    Args:
        model: model in eval mode.
        processor: this model's processor.
        prompt: prompt with at least one image.
        target: what is explained.
        image: index of the image to change, among the prompt's distinct images; -1 is the last one.

    Raises:
        UserError: if the prompt has no such image, the image is a video, the encoder takes no pixels, the prompt and
            the text are longer than the context, or the tokeniser joins them.
        UnreadableImage: if an image cannot be read.
    """

    def __init__(
        self, model: FrozenVL, processor: Processor, prompt: Prompt, target: Target, image: int = -1
    ) -> None:
        reader = model.vision.reader(model.scaled_decoding)
        if not isinstance(reader, Pixels):
            raise UserError(
                f"{model.vision.name} holds precomputed features, so there are no pixels to change; explain a model "
                "with an encoder"
            )
        images = [part for part in dict.fromkeys(prompt) if isinstance(part, Image)]
        if not -len(images) <= image < len(images):
            raise UserError(
                f"the prompt has {len(images)} images, and none of number {image}; give it an image"
            )
        if any(len(each.frames) > 1 for each in images):
            raise UserError("explanations are of images, and the prompt has a video; give one of its frames")
        self.model, self.target, self.prompt = model, target, prompt
        self.image = images[image]
        """Image that is changed."""
        self.photograph = reader.read(self.image)
        """The image as RGB; a large one is decoded at a reduced size."""
        self.box = reader.box(self.photograph)
        """Left, top, right and bottom of the image in the encoder's square of pixels; the rest is padding."""
        self.processor = copy(processor)
        self.processor.reader, self.processor.max_target_tokens = reader, sys.maxsize
        self.batch = self._without_end_tokens(prompt)
        """Prompt with each text as its target, on the model's device."""
        with torch.no_grad():
            run = model.run(self.batch)
            self._prefix, features = run.prefix, run.features
            run.check_features()
        self.place = images.index(self.image)
        """Index of the image among the prompt's distinct images."""
        own = slice(self.place, self.place + 1)
        self._at: dict[Level, Tensor] = {
            "pixel": self.batch.images[own].float(),
            "cell": features[own],
            "prefix": self._prefix[own],
        }
        self.words = self._words()
        """Words of the text, in order, with their tokens."""
        self._columns, self._signs = self._sums()

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each value: the words, the text, or `answer − against`."""
        if self.target.each_word:
            return tuple(word.text for word in self.words)
        return (" − ".join(text.strip() for text in self.target.texts),)

    @property
    def size(self) -> int:
        """Side of the encoder's square, in pixels."""
        return self._at["pixel"].shape[-1]

    def at(self, level: Level) -> Tensor:
        """Returns the image as it is, (1, 3, size, size), (1, tokens, channels) or (1, k, dim). Pixels are 0 … 255."""
        return self._at[level]

    def raised(self, inputs: Tensor, level: Level, to: Level) -> Tensor:
        """Returns versions of the image at a later level: the features of pixels, the prefix vectors of features.

        Without gradients, pixels are encoded in batches of a fixed size, so that N does not change the result.
        """
        if level == "pixel" and to != "pixel":
            differentiable = torch.is_grad_enabled() and inputs.requires_grad
            features = self.model.features(inputs, "pixels") if differentiable else self.model.encode(inputs)
            return self.raised(features, "cell", to)
        if level == "cell" and to == "prefix":
            return self.model.map(inputs)
        return inputs

    def __call__(self, inputs: Tensor, level: Level = "pixel") -> Tensor:
        """Returns the values (N, targets) of versions of the image at a level, on the model's device.

        Args:
            inputs: (N, 3, size, size) pixels from 0 to 255, (N, tokens, channels) features or (N, k, dim) prefix
                vectors.
            level: what they are.
        """
        inputs = inputs.to(self.model.device)
        return torch.cat(
            [self._values(self.raised(part, level, "prefix")) for part in inputs.split(IMAGES_PER_PASS)]
        )

    def _values(self, prefix: Tensor) -> Tensor:
        """Returns the values (n, targets) of prefix vectors (n, k, dim)."""
        run = self.model.run(self._versions(prefix))
        values = torch.zeros(len(prefix), len(self.names), device=prefix.device)
        for chunk, nll in run.nll():
            row, position = (chunk.labels != IGNORE).nonzero(as_tuple=True)
            version, text = chunk.index[row] // len(self.batch), chunk.index[row] % len(self.batch)
            places = version, self._columns[text, position]
            values = values.index_put(places, -nll.float() * self._signs[text], accumulate=True)
        return values

    def _versions(self, prefix: Tensor) -> Batch:
        """Returns the batch of all texts after all versions of the image, version by version."""
        texts, count = len(self.batch), len(prefix)
        rows = self.batch.select(torch.arange(texts).repeat(count))
        # The prompt's own images come first, then the versions.
        image = torch.arange(count, device=prefix.device).repeat_interleave(texts)[:, None] + len(
            self._prefix
        )
        k = (
            self.processor.k
        )  # positions of an image: the number of its vectors, or as many as the fusion needs
        shifted = (image - self.place) * k
        changed = (rows.slots >= self.place * k) & (rows.slots < (self.place + 1) * k)
        return replace(
            rows,
            slots=torch.where(changed, rows.slots + shifted, rows.slots),
            image_of=torch.where(rows.image_of == self.place, image, rows.image_of),
            images=torch.cat([self._prefix, prefix.to(self._prefix.dtype)]),
            stage="prefixes",
            index=torch.empty(0, dtype=torch.long),
        )

    def _without_end_tokens(self, prompt: Prompt) -> Batch:
        """Returns the prompt with each text, up to the position that predicts the text's last token."""
        batch = self.processor([Sample(text, prompt, text) for text in self.target.texts])
        rows, last = torch.arange(len(batch)), batch.lengths - 1
        blank = {"tokens": 0, "slots": -1, "labels": IGNORE, "image_of": -1}
        if batch.markers.numel():
            blank["markers"] = -1
        cut = {
            name: getattr(batch, name).index_put((rows, last), torch.tensor(pad))
            for name, pad in blank.items()
        }
        return replace(batch, lengths=last, **cut).select(rows, int(last.max())).to(self.model.device)

    def _words(self) -> list[Word]:
        labels = self.batch.labels[0]
        words = words_of(labels[labels != IGNORE].tolist(), self.processor.decode)
        if not words:
            raise UserError(
                f"the text to explain has no words ({self.target.text!r}); name one, such as an answer"
            )
        return words

    def _sums(self) -> tuple[Tensor, Tensor]:
        """Returns the value (texts, L) that the token predicted at each position counts for, and each text's sign."""
        columns = torch.zeros_like(self.batch.labels)
        if self.target.each_word:
            first = int((self.batch.labels[0] != IGNORE).nonzero()[0])
            for column, word in enumerate(self.words):
                columns[0, [first + token for token in word.tokens]] = column
        signs = torch.tensor([1.0, -1.0], device=columns.device)[: len(self.batch)]
        return columns, signs
