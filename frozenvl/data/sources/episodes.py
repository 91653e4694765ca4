"""Few-shot tasks, each with a support of its own."""

from __future__ import annotations

from dataclasses import dataclass

from frozenvl.prompt import Image

NEW_WORDS = ("dax", "blicket", "wug", "toma", "fep", "modi", "zav", "tulver", "gazzer", "kob")
"""Names that no language model knows a thing by."""


@dataclass(frozen=True)
class Episode:
    """A task of its own: new words are bound to kinds of objects by the support, then asked for."""

    id: str
    support: tuple[tuple[Image, str], ...]
    """(image, caption), in the order in which they are shown."""
    query: Image
    question: str
    answer: str
    choices: tuple[str, ...]
    """The new words, one for each way; `answer` is one of them. Empty where the answer is no such word."""
