"""Prompts to tensors: the tokeniser, `k` places for each image, and how an image is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple, Protocol

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from frozenvl.model.batch import IGNORE, Batch, Stage
from frozenvl.pretrained.names import loading, resolve
from frozenvl.prompt import Image, Learned, Prompt, Sample
from frozenvl.util.errors import UnreadableImage, UserError
from frozenvl.util.imaging import MARGIN


class ImageReader(Protocol):
    """How images become rows of a tensor: pixels, or what was computed of them before."""

    stage: Stage

    def __call__(self, images: Sequence[Image]) -> Tensor: ...


class Pixels:
    """Fits an image into a square, the rest of which is zero (Frozen, section 3: padded, then resized).

    Args:
        size: side of the square, in pixels.
        scaled: whether large JPEGs are decoded at reduced size.
    """

    stage: Stage = "pixels"

    def __init__(self, size: int, scaled: bool = True) -> None:
        self.size, self.scaled = size, scaled

    @property
    def version(self) -> str:
        """What the pixels depend on, beside the file and the size."""
        decoding = f"scaled decoding, margin {MARGIN}" if self.scaled else "full decoding"
        torch_version = torch.__version__.split("+")[0]
        return f"fit, bicubic of torch {torch_version}, pad, pillow {PIL.__version__}, {decoding}"

    def __call__(self, images: Sequence[Image]) -> Tensor:
        """(N, 3, size, size) uint8.

        Raises:
            UnreadableImage: with the image that it is about.
        """
        rows = [self.one(self._read(image)) for image in images]
        return torch.stack(rows) if rows else torch.zeros(0, 3, self.size, self.size, dtype=torch.uint8)

    def _read(self, image: Image) -> PIL.Image.Image:
        try:
            return image.read(self.size if self.scaled else None)
        except UnreadableImage as error:
            error.image = image
            raise

    def one(self, image: PIL.Image.Image) -> Tensor:
        """(3, size, size) uint8 of an RGB image."""
        # Resized first: the square of a 40,000-pixel banner would not fit into memory. By torch, which gives what
        # Pillow gives (within 1 of 255) in half the time.
        longest = max(image.size)
        width, height = (max(1, round(length * self.size / longest)) for length in image.size)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        if image.size != (width, height):
            pixels = interpolate(pixels[None], (height, width), mode="bicubic", antialias=True)[0]
        square = torch.zeros(3, self.size, self.size, dtype=torch.uint8)
        top, left = (self.size - height) // 2, (self.size - width) // 2
        square[:, top : top + height, left : left + width] = pixels
        return square


class _Row(NamedTuple):
    """A prompt of a batch, before padding."""

    tokens: list[int]
    slots: list[int]
    labels: list[int]
    image_of: list[int]
    target_bytes: int


class Processor:
    """Makes a `Batch` of prompts. Needs names only, no weights.

    Args:
        language: Hugging Face name or local folder of the language model, for its tokeniser.
        k: positions that an image takes in a prompt: its prefix vectors, or 0 with a fusion that needs none.
        reader: how images are read.
        max_target_tokens: a longer target is cut, and then not followed by the end token; of a demonstration's
            answer no more than so many are learned.
        bos: whether a prompt begins with the tokeniser's own start token where the tokeniser does not put it there.

    Raises:
        UserError: where the tokeniser lacks an end token, or a start token that was asked for.
    """

    def __init__(
        self, language: str, k: int, reader: ImageReader, max_target_tokens: int = 64, bos: bool = False
    ) -> None:
        with loading(language):
            self.tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(resolve(language))
        if self.tokenizer.eos_token_id is None:
            raise UserError(
                f"{language}: its tokeniser has no end token, so no text could end; choose another"
            )
        self.end: int = self.tokenizer.eos_token_id
        first = self.tokenizer.bos_token_id
        if bos and first is None:
            raise UserError(f"{language}: its tokeniser has no start token; leave it out (bos)")
        own = first is not None and self.tokenizer("")["input_ids"][:1] == [first]
        self.start: list[int] = [first] if bos or own else []
        self.k = k
        self.reader = reader
        if max_target_tokens < 1:
            raise UserError(f"max_target_tokens is {max_target_tokens}; a target needs at least one token")
        self.max_target_tokens = max_target_tokens

    def __call__(self, prompts: Sequence[Sample | Prompt], start: bool = True) -> Batch:
        """A batch in the order given. Targets and what is `Learned` get labels; bare prompts have none.

        Args:
            start: False makes remainders of prompts, which begin without the start token.
        """
        samples = [p if isinstance(p, Sample) else Sample(str(i), p) for i, p in enumerate(prompts)]
        row_of: dict[Image, int] = {}
        rows = [self._row(sample, row_of, self.start if start else []) for sample in samples]
        width = max((len(row.tokens) for row in rows), default=0)
        blank = (0, -1, IGNORE, -1)
        padded = torch.tensor(
            [
                [column + [pad] * (width - len(column)) for column, pad in zip(row[:4], blank, strict=True)]
                for row in rows
            ],
            dtype=torch.long,
        ).reshape(len(rows), 4, width)
        return Batch(
            ids=tuple(sample.id for sample in samples),
            tokens=padded[:, 0],
            slots=padded[:, 1],
            labels=padded[:, 2],
            lengths=torch.tensor([len(row.tokens) for row in rows], dtype=torch.long),
            images=self.reader(list(row_of)),
            stage=self.reader.stage,
            openings=() if start else tuple(text_of(sample.prompt[:1]) for sample in samples),
            target_bytes=tuple(row.target_bytes for row in rows),
            image_of=padded[:, 3],
        )

    def encode(self, text: str) -> list[int]:
        """Token ids of a piece of text, without special tokens added."""
        return self.tokenizer(text, add_special_tokens=False)["input_ids"] if text else []

    def decode(self, tokens: list[int]) -> str:
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True))

    def targets(self, text: str, target: str) -> list[int]:
        """`continuation`, cut after `max_target_tokens`."""
        tokens = self.continuation(text, target)
        # What is cut has no end token; the end token itself does not count.
        return tokens if len(tokens) <= self.max_target_tokens + 1 else tokens[: self.max_target_tokens]

    def continuation(self, text: str, target: str) -> list[int]:
        """Token ids of a target after its prompt's last `text`, the end token included.

        tok(text) + tok(target) = tok(text + target) is asserted, since the prompt alone is what the model
        sees when it generates.

        Raises:
            UserError: where the tokeniser joins the two across their border.
        """
        before, whole = self.encode(text), self.encode(text + target)
        if whole[: len(before)] != before:
            raise UserError(
                f"the tokeniser joins {text[-20:]!r} and {target[:20]!r} across the border of prompt and target; "
                "let the template's target begin with the space, and its query end without one"
            )
        return [*whole[len(before) :], self.end]

    def check_split(self, text: str, rests: Iterable[str]) -> None:
        """Asserts that tok(text) + tok(rest) = tok(text + rest), for each rest.

        Raises:
            UserError: where the tokeniser joins the two across their border.
        """
        for rest in dict.fromkeys(rests):
            if text and rest and self.encode(text) + self.encode(rest) != self.encode(text + rest):
                raise UserError(
                    f"the tokeniser joins {text[-20:]!r} and {rest[:20]!r}, so a prompt cannot be shared up to "
                    "there; let the shared part end before or after an image"
                )

    def bytes_of(self, text: str, target: str, tokens: list[int]) -> int:
        """UTF-8 bytes of a target after its prompt's last `text`, as far as its `targets` go: a cut one's, as decoded.

        The end token has none, nor has a character that was cut in its middle.
        """
        size = len(target.encode())
        if tokens[-1] == self.end:
            return size
        # By what is left off, since some tokenisers drop a space at the very start.
        whole = self.encode(text + target)
        kept = whole[: len(self.encode(text)) + len(tokens)]
        return size - len(self.decode(whole).encode()) + len(self.decode(kept).rstrip("\ufffd").encode())

    def _row(self, sample: Sample, row_of: dict[Image, int], start: list[int]) -> _Row:
        tokens, slots, image_of = list(start), [-1] * len(start), [-1] * len(start)
        seen = -1
        learned: dict[int, int] = {}
        text, scored = "", 0
        for part in runs(sample.prompt):
            if isinstance(part, Image):
                seen = row_of.setdefault(part, len(row_of))
                tokens += [0] * self.k
                slots += range(seen * self.k, (seen + 1) * self.k)
                image_of += [seen] * self.k
                text = ""
            else:
                text = "".join(part)
                piece = self.encode(text)
                for first, answer, size in self._learned(part, piece):
                    learned |= dict(enumerate(answer, len(tokens) + first - 1))
                    scored += size
                tokens += piece
                slots += [-1] * len(piece)
                image_of += [seen] * len(piece)
        if not tokens or -1 in learned:
            raise UserError(f"sample {sample.id}: its prompt is empty; give it an image or a text")
        labels = [learned.get(position, IGNORE) for position in range(len(tokens))]
        if sample.target:
            target = self.targets(text, sample.target)
            scored += self.bytes_of(text, sample.target, target)
            # The last target token is predicted but never fed: nothing follows it.
            labels[-1:] = target
            tokens += target[:-1]
            slots += [-1] * (len(target) - 1)
            image_of += [seen] * (len(target) - 1)
        return _Row(tokens, slots, labels, image_of, scored)

    def _learned(self, texts: Sequence[str], whole: Sequence[int]) -> Iterator[tuple[int, list[int], int]]:
        """(place of its first token, its tokens, their bytes) of each text that is learned.

        Args:
            texts: neighbours, tokenised together as an evaluation's prompt is.
            whole: their tokens.
        """
        before = ""
        for text in texts:
            if isinstance(text, Learned):
                first = len(self.encode(before))
                answer = self.continuation(before, text)[:-1][: self.max_target_tokens]
                # Some tokenisers join "." with the newline after it: such a token is not the answer's, nor learned.
                same = takewhile(lambda pair: pair[0] == pair[1], zip(answer, whole[first:], strict=False))
                if kept := [token for token, _ in same]:
                    yield first, kept, self.bytes_of(before, text, kept)
            before += text


def runs(prompt: Prompt) -> Iterator[Image | list[str]]:
    """The images of a prompt, and the neighbouring texts around them."""
    texts: list[str] = []
    for part in prompt:
        if isinstance(part, str):
            texts.append(part)
            continue
        if texts:
            yield texts
        yield part
        texts = []
    if texts:
        yield texts


def text_of(part: Prompt) -> str:
    """The text of a prompt's part, if it is one."""
    return "".join(piece for piece in part if isinstance(piece, str))
