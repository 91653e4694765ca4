"""Captions that break off: the last word calls for another one."""

from __future__ import annotations

import re
from collections.abc import Iterable

BAD_ENDINGS = frozenset(["a", "an", "the", "with", "of", "in", "on", "and", "to"])
"""Words that no whole caption ends with. Self-critical training without end tokens teaches such endings
(https://github.com/ruotianluo/self-critical.pytorch/issues/43)."""

_WORD = re.compile(r"\w+")


def ends_badly(caption: str) -> bool:
    """Returns whether the last word of a caption is one of `BAD_ENDINGS`. Case and punctuation do not matter."""
    words = _WORD.findall(caption)
    return bool(words) and words[-1].lower() in BAD_ENDINGS


def bad_endings(captions: Iterable[str]) -> float:
    """Returns the share of captions that end badly, from 0 to 1; 0 without captions."""
    endings = [ends_badly(caption) for caption in captions]
    return sum(endings) / max(len(endings), 1)
