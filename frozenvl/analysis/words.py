"""Words of a text and the tokens that they are made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from frozenvl.model.streaming import WITHOUT_SPACES

PATTERN = re.compile(rf"[{chr(WITHOUT_SPACES)}-\U0010ffff]|[^\s{chr(WITHOUT_SPACES)}-\U0010ffff]+")
"""A word: letters without white space, or one character of a script that writes no spaces."""


class Word(NamedTuple):
    """A word and its tokens."""

    text: str
    tokens: tuple[int, ...]
    """Indices of its tokens among those of the text, at least one."""


def words_of(tokens: Sequence[int], decode: Callable[[list[int]], str]) -> list[Word]:
    """Splits a text into words and assigns each token to one of them.

    A token belongs to the word of its first character that is no white space. A token without such a character (a
    space, the first bytes of a letter) belongs to the word of the next token. Words without a token of their own are
    joined to the word before.

    Args:
        tokens: token ids of the text, without the end token.
        decode: function from token ids to their text.

    Returns:
        Words in order; none if the text is white space.
    """
    text = decode(list(tokens))
    spans = [match.span() for match in PATTERN.finditer(text)]
    if not spans:
        return []
    own: list[list[int]] = [[] for _ in spans]
    waiting: list[int] = []
    number = start = 0
    for index in range(len(tokens)):
        waiting.append(index)
        end = len(decode(list(tokens[: index + 1])).rstrip("\ufffd"))
        letters = text[start:end]
        if not letters.strip():
            continue
        first = start + len(letters) - len(letters.lstrip())
        number = next((n for n, (_, stop) in enumerate(spans) if first < stop), number)
        own[number] += waiting
        waiting, start = [], end
    own[number] += waiting
    firsts = [number for number, indices in enumerate(own) if indices]
    ends = [spans[following - 1][1] for following in (*firsts[1:], len(spans))]
    return [
        Word(text[spans[number][0] : stop], tuple(own[number]))
        for number, stop in zip(firsts, ends, strict=True)
    ]
