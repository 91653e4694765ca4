"""`Processor` turns prompts into batches: it tokenises text, reserves image positions and reads images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from itertools import takewhile
from typing import Any, Protocol

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import AutoTokenizer

from frozenvl.model.batch import Batch, Stage
from frozenvl.model.chat_template import Special
from frozenvl.model.conversation_cut import cut
from frozenvl.model.row import Row, padded
from frozenvl.model.tokenizing import Tokenizes, first_text, runs, text_of
from frozenvl.model.views import View, Views, images_of, indices
from frozenvl.pretrained.names import loading, resolve
from frozenvl.prompt import Image, Learned, Marker, Prompt, Sample
from frozenvl.util.errors import UnreadableImage, UserError
from frozenvl.util.imaging import BACKGROUND, MARGIN


class ImageReader(Protocol):
    """Callable that turns N images into a tensor with N rows: pixels, features or prefix vectors, by `stage`."""

    stage: Stage

    def __call__(self, images: Sequence[Image]) -> Tensor: ...


class Pixels:
    """Image reader that gives pixels: each image is resized to fit a square, centred and padded with zeros.

    Frozen (section 3) pads first, then resizes.

    Args:
        size: side of the square, in pixels.
        scaled: whether large JPEGs are decoded at a reduced size.
    """

    stage: Stage = "pixels"

    def __init__(self, size: int, scaled: bool = True) -> None:
        self.size, self.scaled = size, scaled

    @property
    def version(self) -> str:
        """Description of what the pixels depend on besides the file and the size. It is part of feature cache keys."""
        decoding = f"scaled decoding, margin {MARGIN}" if self.scaled else "full decoding"
        torch_version = torch.__version__.split("+")[0]
        return f"fit, bicubic of torch {torch_version}, pad, pillow {PIL.__version__}, {decoding}, on {BACKGROUND}"

    def __call__(self, images: Sequence[Image]) -> Tensor:
        """Returns the pixels (N, 3, size, size), uint8.

        Raises:
            UnreadableImage: if an image cannot be read; its `image` names it.
        """
        rows = [self.one(self.read(image)) for image in images]
        return torch.stack(rows) if rows else torch.zeros(0, 3, self.size, self.size, dtype=torch.uint8)

    def read(self, image: Image) -> PIL.Image.Image:
        """Returns an image as RGB, decoded at a reduced size if that suffices. Raises `UnreadableImage`."""
        try:
            return image.read(self.size if self.scaled else None)
        except UnreadableImage as error:
            error.image = image
            raise

    def box(self, image: PIL.Image.Image) -> tuple[int, int, int, int]:
        """Returns left, top, right and bottom of the image in the square, in pixels; the rest is padding."""
        longest = max(image.size)
        width, height = (max(1, round(length * self.size / longest)) for length in image.size)
        left, top = (self.size - width) // 2, (self.size - height) // 2
        return left, top, left + width, top + height

    def one(self, image: PIL.Image.Image) -> Tensor:
        """Returns the pixels (3, size, size), uint8, of an RGB image."""
        # Resized before padding: the square of a 40,000-pixel banner would not fit into memory. Torch takes half of
        # Pillow's time; the pixels agree within 1 of 255.
        left, top, right, bottom = self.box(image)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        height, width = bottom - top, right - left
        if image.size != (width, height):
            pixels = interpolate(pixels[None], (height, width), mode="bicubic", antialias=True)[0]
        square = torch.zeros(3, self.size, self.size, dtype=torch.uint8)
        square[:, top:bottom, left:right] = pixels
        return square


class Processor(Tokenizes):
    """Turns prompts into a `Batch`. It needs the tokeniser, but no model weights.

    Args:
        language: Hugging Face name or local folder of the language model, for its tokeniser.
        k: number of positions that an image takes in a prompt: one per prefix vector, or 0 if the fusion needs none.
        reader: image reader.
        max_target_tokens: maximal length of a target, in tokens. A longer target is cut and gets no end token. The
            limit also holds for each learned answer of a demonstration.
        bos: whether to begin prompts with the BOS token if the tokeniser does not add it itself.
        markers: names of the model's markers, in the order of their vectors.
        one_image: name of the fusion, if a text sees only the last image before it: then videos are refused.
        views: rule by which a video becomes views, each of which takes the positions of one image; by default each
            frame is one.
        max_positions: maximal number of positions of a conversation to train on. A longer one is cut after its last
            whole turn that fits.

    Raises:
        UserError: if the tokeniser has no end token, or `bos` is set and it has no BOS token.
    """

    def __init__(
        self,
        language: str,
        k: int,
        reader: ImageReader,
        max_target_tokens: int = 64,
        bos: bool = False,
        markers: Sequence[str] = (),
        one_image: str = "",
        views: Views | None = None,
        max_positions: int | None = None,
    ) -> None:
        with loading(language):
            # A caption that spells `</s>` must not end its sequence. Only this class places special tokens.
            self.tokenizer = AutoTokenizer.from_pretrained(
                resolve(language), split_special_tokens=True, trust_remote_code=False
            )
        self.language = language
        if self.tokenizer.eos_token_id is None:
            raise UserError(
                f"{language}: its tokeniser has no end token, so no text could end; choose another"
            )
        self.end = self.tokenizer.eos_token_id
        first = self.tokenizer.bos_token_id
        if bos and first is None:
            raise UserError(f"{language}: its tokeniser has no start token; leave it out (bos)")
        adds_bos = first is not None and self.tokenizer("")["input_ids"][:1] == [first]
        self.start = [first] if bos or adds_bos else []
        self.empty: list[int] = []
        self.k = k
        self.reader = reader
        if max_target_tokens < 1:
            raise UserError(f"max_target_tokens is {max_target_tokens}; a target needs at least one token")
        self.max_target_tokens = max_target_tokens
        self.markers = tuple(markers)
        self.one_image = one_image
        self.views = views or Views()
        self.max_positions = max_positions

    def __call__(self, prompts: Sequence[Sample | Prompt], start: bool = True) -> Batch:
        """Returns the batch, in the given order. Targets and `Learned` texts get labels, other positions none.

        A video takes `k` positions for each of its views, in order: one for each frame by default.

        Args:
            prompts: samples (prompts with targets) or bare prompts.
            start: whether prompts begin with the BOS token; False for the rest of prompts that follow a prompt cache.

        Raises:
            UnreadableImage: if an image cannot be read; its `image` names it.
            LongSample: if the first turn of a conversation to train on is too long.
        """
        samples = [p if isinstance(p, Sample) else Sample(str(i), p) for i, p in enumerate(prompts)]
        row_of: dict[View, int] = {}
        cuts: list[tuple[str, str]] = []
        rows = [self._fitting_row(sample, row_of, self.start if start else [], cuts) for sample in samples]
        tokens, slots, labels, image_of, marked = padded(rows).unbind(1)
        images, views, numbers = self._read(list(row_of))
        return Batch(
            ids=tuple(sample.id for sample in samples),
            tokens=tokens,
            slots=slots,
            labels=labels,
            lengths=torch.tensor([len(row.tokens) for row in rows], dtype=torch.long),
            stage=self.reader.stage,
            cut=tuple(cuts),
            openings=() if start else tuple(first_text(self.worded(sample.prompt)) for sample in samples),
            target_bytes=tuple(row.target_bytes for row in rows),
            image_of=image_of,
            texts=tuple(text_of(sample.prompt) for sample in samples),
            image_keys=tuple(view.key for view in row_of),
            markers=marked if self.markers else torch.empty(0, dtype=torch.long),
            images=images,
            views=views,
            numbers=numbers,
        )

    def _read(self, views: Sequence[View]) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the columns `images`, `views` and `numbers` of a batch; the last two are empty without videos."""
        none = torch.empty(0, dtype=torch.long)
        if all(view.first < 0 for view in views):
            return self.reader([view.frames[0] for view in views]), none, none
        if self.reader.stage == "prefixes":
            reader: Any = self.reader
            return reader.of_views(views), none, none
        images = images_of(views)
        return self.reader(list(images)), *indices(views, images)

    def for_texts(self) -> Processor:
        """Returns a copy that reads an empty prompt as the BOS token, or the end token if the tokeniser has no BOS.

        The first token of a text is then predicted, too, as in EleutherAI's lm-evaluation-harness.
        """
        made = copy(self)
        first = self.tokenizer.bos_token_id
        made.empty = [self.end if first is None else first]
        return made

    def _fitting_row(
        self, sample: Sample, row_of: dict[View, int], start: list[int], cuts: list[tuple[str, str]]
    ) -> Row:
        """Returns the row of a sample. A conversation that is too long is cut, and listed in `cuts`."""
        known, limit = len(row_of), self.max_positions
        row = self._row(sample, row_of, start)
        if not sample.turns or not sample.target or limit is None or len(row.tokens) <= limit:
            return row
        for view in [*row_of][known:]:
            del row_of[view]
        shorter, reason = cut(sample, lambda part: len(self._row(part, {}, start).tokens), limit)
        cuts.append((sample.id, reason))
        return self._row(shorter, row_of, start)

    def _row(self, sample: Sample, row_of: dict[View, int], start: list[int]) -> Row:
        worded = self.worded(sample.prompt)
        if [part.id for part in worded[: len(start)] if isinstance(part, Special)] == start:
            start = []  # the chat template writes it, too
        row = Row()
        row.add(start)
        text, inside = "", False  # the text just before, and whether it follows a token of the chat template
        whole = True  # whether the last learned text was not cut
        for part in runs(worded):
            if isinstance(part, Special):
                if part.learned and whole:
                    row.learned[len(row.tokens) - 1] = part.id
                row.add([part.id])
                text, inside = "", True
            elif isinstance(part, Marker):
                row.marked[len(row.tokens)] = self._marker(part)
                row.add([0])
                text, inside = "", False
            elif isinstance(part, Image):
                for view in self._views(part):
                    row.image = row_of.setdefault(view, len(row_of))
                    row.add([0] * self.k, range(row.image * self.k, (row.image + 1) * self.k))
                text, inside = "", False
            else:
                text = "".join(part)
                piece = self.encode(text, inside)
                for first, answer, size, uncut in self._learned(part, piece, inside):
                    whole = uncut
                    row.learned |= dict(enumerate(answer, len(row.tokens) + first - 1))
                    row.target_bytes += size
                row.add(piece)
        if not row.tokens:
            row.add(self.empty)
        if not row.tokens or -1 in row.learned:
            raise UserError(f"sample {sample.id}: its prompt is empty; give it an image or a text")
        if sample.target:
            wanted, end = self.target(sample.prompt, sample.target)
            target = self.targets(text, wanted, end, inside)
            row.target_bytes += self.bytes_of(text, wanted, target, target[-1] == end, inside)
            row.add_target(target)
        return row

    def _views(self, image: Image) -> list[View]:
        views = self.views.of(image)
        if len(views) > 1 and self.one_image:
            raise UserError(
                f"{image.name}: has {len(views)} frames, and with {self.one_image} a text sees only the last image "
                "before it; use Concat, or CrossAttention with images: all (model.fusion)"
            )
        return views

    def _marker(self, marker: Marker) -> int:
        if marker.name not in self.markers:
            known = ", ".join(self.markers) or "none"
            raise UserError(
                f"a prompt has the marker {marker.name!r}, the model has {known}; add a head that trains it "
                "(model.heads)"
            )
        return self.markers.index(marker.name)

    def _learned(
        self, texts: Sequence[str], whole: Sequence[int], inside: bool
    ) -> Iterator[tuple[int, list[int], int, bool]]:
        """Yields (index of the first token, token ids, number of bytes, whether it is whole) of each `Learned` text.

        Args:
            texts: neighbouring texts. They are tokenised together, as in evaluation.
            whole: token ids of the joined texts.
            inside: whether the texts follow a special token.
        """
        before = ""
        for text in texts:
            if isinstance(text, Learned):
                first = len(self.encode(before, inside))
                answer = self.continuation(before, text, inside=inside)[:-1]
                kept_whole = len(answer) <= self.max_target_tokens
                answer = answer[: self.max_target_tokens]
                # Some tokenisers join "." and the newline after it: such a token is not the answer's, so not learned.
                matches = takewhile(lambda pair: pair[0] == pair[1], zip(answer, whole[first:], strict=False))
                if kept := [token for token, _ in matches]:
                    yield first, kept, self.bytes_of(before, text, kept, False, inside), kept_whole
            before += text
