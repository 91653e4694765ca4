"""Examples as people see them: conversations and worded prompts as text with what is trained on marked, and tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import PIL.Image

from frozenvl.prompt import Example, Image, Sample
from frozenvl.util.contact_sheet import padded
from frozenvl.util.gallery import Tile
from frozenvl.wording import Template

if TYPE_CHECKING:
    from torch import Tensor

    from frozenvl.model.processor import Processor

PLAIN = Template("{image}Q: {question} A:", " {target}")
"""Template by which questions and conversations are shown without a chat template."""

Mark = Callable[[str], str]


def brackets(text: str) -> str:
    """Marks a text that is trained on with brackets."""
    return f"⟦{text}⟧"


def green(text: str) -> str:
    """Marks a text that is trained on with green letters, for terminals."""
    return f"\033[32m{text}\033[0m"


def conversation_text(example: Example, mark: Mark = brackets) -> str:
    """Returns a conversation with a line for each message; its replies are marked."""
    lines = [f"system: {example.system}"] if example.system else []
    for turn in example.turns:
        message = "".join(
            f"<{part.name}>" if isinstance(part, Image) else str(part)
            for part in turn.message
            if isinstance(part, Image | str)
        )
        lines += [f"user: {message}", f"assistant: {mark(turn.reply)}"]
    return "\n".join(lines)


def worded_text(example: Example, template: Template, processor: Processor, mark: Mark = brackets) -> str:
    """Returns the text that the language model reads of an example in training; the tokens that it learns are marked.

    Args:
        example: the example.
        template: prompt template.
        processor: processor of the language model, such as `text_processor`.
        mark: function that marks a text.
    """
    sample = template.sample(example)
    return "".join(mark(text) if learned else text for learned, text in _pieces(sample, processor))


def _pieces(sample: Sample, processor: Processor) -> Iterator[tuple[bool, str]]:
    """Yields (whether it is learned, text) of the consecutive tokens of a sample."""
    from frozenvl.model.batch import IGNORE

    batch = processor([sample])
    labels = batch.labels[0].tolist()
    names = {place: image.name for place, image in enumerate(dict.fromkeys(sample.images))}
    tokens: list[int | str] = [
        token if slot < 0 else f"<{names[slot // processor.k]}>" if slot % processor.k == 0 else ""
        for token, slot in zip(batch.tokens[0].tolist(), batch.slots[0].tolist(), strict=True)
    ]
    if labels[-1] != IGNORE:
        tokens.append(labels[-1])
    learned = [False, *(label != IGNORE for label in labels)]
    for (is_learned, is_image), group in groupby(
        zip(learned, tokens, strict=False), key=lambda pair: (pair[0], isinstance(pair[1], str))
    ):
        parts = [token for _, token in group]
        text = "".join(map(str, parts)) if is_image else processor.tokenizer.decode(parts)  # type: ignore[arg-type]
        yield is_learned, str(text)


class NoPixels:
    """Image reader that opens no file: prompts are shown without their images."""

    stage = "pixels"

    def __call__(self, images: Sequence[Image]) -> Tensor:
        """Returns an empty image (N, 3, 0, 0) for each."""
        import torch

        return torch.zeros(len(images), 3, 0, 0, dtype=torch.uint8)


def text_processor(language: str, max_target_tokens: int = 1 << 20) -> Processor:
    """Returns a processor of a language model that opens no images and cuts no targets."""
    from frozenvl.model.processor import Processor

    return Processor(language, 1, NoPixels(), max_target_tokens)  # type: ignore[arg-type]


def worder(language: str, template: Template | None, mark: Mark = brackets) -> Callable[[Example], str]:
    """Returns the function that words examples as a language model reads them in training; see `worded_text`.

    Args:
        language: language model, for its tokeniser and chat template.
        template: prompt template; by default the model's chat template, or `Q: … A: …` if it has none, and for captions
            the bare image.
        mark: function that marks a text.
    """
    processor = text_processor(language)
    has_chat = bool(processor.tokenizer.chat_template)
    asking = template or (Template(chat=True) if has_chat else PLAIN)
    captioning = template or Template()
    processor.check_template(asking)

    def worded(example: Example) -> str:
        if not example.targets:
            return ""
        asks = example.question or example.turns
        return worded_text(example, asking if asks else captioning, processor, mark)

    return worded


def tile_of(example: Example, side: int) -> Tile:
    """Makes the tile of an example: its images side by side, and its question and answers, captions or turns.

    Raises:
        UnreadableImage: if an image cannot be read.
    """
    images = [image.read(side) for image in example.images]
    width = side // max(1, len(images))
    picture = PIL.Image.new("RGB", (side, side), "#cccccc")
    for place, image in enumerate(images):
        picture.paste(padded(image, (width, side), "#eeeeee"), (place * width, 0))
    if not example.turns:
        answers = example.references if example.answer else ()
        return Tile(images[0], example.targets, example.question, answers)
    texts = []
    for turn in example.turns:
        message = " ".join(str(part) for part in turn.message if isinstance(part, str)).strip()
        texts.append(f"{message} → {turn.reply}")
    return Tile(images[0] if len(images) == 1 else picture, texts)
