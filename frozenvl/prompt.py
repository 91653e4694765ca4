"""Prompts (sequences of text and images) and the samples, examples and episodes that they are made from.

Captioning, question answering, few-shot learning and naming differ only in how their prompts are worded and
scored. This module does not import torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from frozenvl.images import (
    NO_IMAGE,
    BlackImage,
    ChangedSequence,
    CroppedImage,
    Image,
    ImageFile,
    ImageSequence,
    StoredImage,
    black,
)

__all__ = [
    "NO_IMAGE",
    "BlackImage",
    "Border",
    "Box",
    "ChangedSequence",
    "CroppedImage",
    "Delimiter",
    "Episode",
    "Example",
    "Image",
    "ImageFile",
    "ImageSequence",
    "Learned",
    "Marker",
    "Prompt",
    "PromptPart",
    "Sample",
    "StoredImage",
    "Turn",
    "black",
    "joined",
    "with_images",
    "without_images",
]


class Learned(str):
    """A text inside a prompt that is trained on like the target, such as the answer of a demonstration."""


@dataclass(frozen=True)
class Marker:
    """A trained input vector inside a prompt, such as FROMAGe's `[RET]`. A head owns the vector."""

    name: str
    """Name of the vector."""


Border: TypeAlias = Literal["opening", "reply", "end of turn", "next", "end"]
"""Places of a conversation where the language model's own tokens stand.

- `opening`: in front of the first message, with the system message;
- `reply`: between a message and the reply to it;
- `end of turn`: behind a reply;
- `next`: between the end of a turn and the next message;
- `end`: the end token, behind a reply in a conversation that is worded without a chat template.
"""


@dataclass(frozen=True)
class Delimiter:
    """A border inside a conversation. The processor replaces it by the tokens of the language model's chat template."""

    border: Border
    text: str = ""
    """System message of an opening; empty for the chat template's own."""
    learned: bool = False
    """Whether the end of a turn is trained on."""


Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom of a rectangle in an image, as fractions of its width and height, y downwards."""

PromptPart: TypeAlias = "str | Image | Marker | Delimiter"
Prompt: TypeAlias = tuple[PromptPart, ...]
"""Texts, images, markers and delimiters in the order in which the language model reads them."""


@dataclass(frozen=True)
class Sample:
    """A prompt, its target text, and the id of the example it was made from."""

    id: str
    prompt: Prompt
    target: str = ""
    objectives: tuple[str, ...] | None = None
    """Names of the objectives that train on it; None for all."""
    turns: int = 0
    """Number of turns of a conversation; 0 if it is none. Training cuts a conversation that is too long."""

    @property
    def images(self) -> tuple[Image, ...]:
        """Images of the prompt, in order. A video is one image, with several frames."""
        return tuple(part for part in self.prompt if isinstance(part, Image))

    def with_images(self, change: Callable[[Image], Image]) -> Sample:
        """Returns a copy with `change` applied to every image of the prompt, and to each frame of a video."""
        return replace(self, prompt=with_images(self.prompt, change))

    def drawn(self, seed: int) -> Sample:
        """Returns a copy whose videos have frames drawn by a seed, where their sampling draws at random."""
        prompt = tuple(part.drawn(seed) if isinstance(part, Image) else part for part in self.prompt)
        return replace(self, prompt=prompt)

    def holds(self, image: Image) -> bool:
        """Tells whether an image is one of the prompt's, or a frame of one."""
        return any(part.holds(image) for part in self.images)


def with_images(prompt: Prompt, change: Callable[[Image], Image]) -> Prompt:
    """Returns the prompt with `change` applied to every image, and to each frame of a video."""
    return tuple(part.changed(change) if isinstance(part, Image) else part for part in prompt)


def joined(parts: Iterable[PromptPart]) -> Prompt:
    """Makes a prompt: joins neighbouring texts, except `Learned` ones, and drops empty texts."""
    prompt: list[PromptPart] = []
    for part in parts:
        if type(part) is str and prompt and type(prompt[-1]) is str:
            prompt[-1] += part
        elif part != "":
            prompt.append(part)
    return tuple(prompt)


def without_images(prompt: Prompt) -> Prompt:
    """Returns the texts of a prompt, joined, and its delimiters; () if it has neither."""
    return joined(
        str(part) if isinstance(part, str) else part for part in prompt if isinstance(part, str | Delimiter)
    )


@dataclass(frozen=True)
class Turn:
    """A message of a conversation and the reply to it."""

    message: Prompt
    """Texts and images of the message."""
    reply: str
    id: str = ""
    """Identifier of the turn, such as the id of a question; empty if it has none."""
    choices: tuple[str, ...] = ()
    """Candidate replies to rank, in the order of the data set; empty if it has none."""
    correct: int = -1
    """Index of the true reply among `choices`; -1 if it is not known."""
    relevance: tuple[float, ...] = ()
    """Relevance of each of `choices` from 0 to 1, as several annotators judged it; empty if nobody did."""
    references: tuple[str, ...] = ()
    """Annotators' answers, if the data set has several; the reply is the one that most gave."""


@dataclass(frozen=True)
class Example:
    """One record of a data set, before a template words it as a prompt: an image with captions, a question, or a
    conversation."""

    id: str
    """Identifier, unique within the source and the same in every run."""
    image: Image
    """Image; the first one of a conversation, or `NO_IMAGE`."""
    image_id: str
    """Identifier of the photograph. A demonstration never has the `image_id` of its query."""
    references: tuple[str, ...] = ()
    """Captions (all are trained on), or the annotators' answers (`answer` is trained on)."""
    question: str = ""
    answer: str = ""
    """Majority answer, used as training target and in demonstrations; empty for captions."""
    kind: dict[str, str] = field(default_factory=dict)
    """Labels by which scores are broken down, such as `answer_type`."""
    scores: dict[str, float] = field(default_factory=dict)
    """Soft scores: answer → score from 0 to 1, for data sets that have these instead of annotators' answers."""
    choices: tuple[str, ...] = ()
    """Multiple-choice answers, the correct one first; empty if the data set has none."""
    turns: tuple[Turn, ...] = ()
    """Turns of a conversation, whose replies are all trained on; empty for captions and questions."""
    system: str = ""
    """System message of a conversation; empty if it has none."""
    boxes: tuple[Box, ...] = ()
    """Boxes of the objects that the question is about; empty if they are not known, or not there."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Target texts for training: the answer, the last reply, or all captions. Each makes one (image, text) pair."""
        if self.turns:
            return (self.turns[-1].reply,) if self.turns[-1].reply else ()
        return (self.answer,) if self.answer else self.references

    @property
    def images(self) -> tuple[Image, ...]:
        """All images, each once: the image, or those of the turns. A conversation may have none."""
        if not self.turns:
            return (self.image,)
        parts = (part for turn in self.turns for part in turn.message)
        return tuple(dict.fromkeys(part for part in parts if isinstance(part, Image)))

    @property
    def texts(self) -> tuple[str, ...]:
        """All texts: references, question and answer, or the messages and replies of the turns."""
        said = (part for turn in self.turns for part in (*turn.message, turn.reply))
        return (
            *self.references,
            self.question,
            self.answer,
            self.system,
            *(p for p in said if isinstance(p, str)),
        )


@dataclass(frozen=True)
class Episode:
    """A few-shot naming episode: the support set binds words to classes, the query asks for one of them."""

    id: str
    support: tuple[tuple[Image, str], ...]
    """Support set: (image, caption) pairs in prompt order."""
    query: Image
    question: str
    answer: str
    choices: tuple[str, ...]
    """Candidate names, one for each of the n ways, `answer` among them; empty if the answer is not such a name."""
