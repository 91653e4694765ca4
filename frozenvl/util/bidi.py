"""Direction of text: the order in which the parts of a line are drawn (Unicode Standard Annex #9)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
LETTERS = {
    **{"L": "L", "R": "R", "AL": "A", "EN": "E", "AN": "N", "ES": "+", "ET": "%", "CS": ",", "NSM": "M"},
    **dict.fromkeys(("BN", "LRE", "RLE", "LRO", "RLO", "PDF"), "M"),
}
"""Bidirectional class → its letter in the patterns of `levels`. All other classes are neutral: O."""


def reads_right_to_left(text: str) -> bool:
    """Returns whether the first letter with a direction is of a right-to-left script (rules P2 and P3)."""
    directions = (unicodedata.bidirectional(char) for char in text)
    return next((direction for direction in directions if direction in {"L", "R", "AL"}), "L") != "L"


def levels(text: str, right_to_left: bool) -> list[int]:
    """Returns the embedding level of each character: odd levels read from right to left.

    Weak and neutral characters are resolved (rules W1 to W7, N1, N2, I1, I2). Bracket pairs (N0) and explicit
    embeddings (X1 to X8), which captions do not have, are left out.

    Args:
        text: line of text.
        right_to_left: direction of the paragraph.
    """
    base = "R" if right_to_left else "L"
    kinds = "".join(LETTERS.get(unicodedata.bidirectional(char), "O") for char in text)
    kinds = re.sub("(.)M+", lambda found: found[1] * len(found[0]), base + kinds)  # W1
    kinds = re.sub("A[^ALR]*", lambda found: found[0].replace("E", "N"), kinds).replace("A", "R")  # W2, W3
    kinds = re.sub("(?<=N),(?=N)", "N", re.sub("(?<=E)[+,](?=E)", "E", kinds))  # W4
    kinds = re.sub("%*E[E%]*", lambda found: "E" * len(found[0]), kinds)  # W5
    kinds = re.sub("[+,%]", "O", kinds)  # W6
    kinds = re.sub("L[^LR]*", lambda found: found[0].replace("E", "L"), kinds)  # W7
    kinds = re.sub("(?<=(.))O+(?=(.))", _neutral(base), kinds + base)[1:-1]  # N1, N2
    return [{"L": 2 * right_to_left, "R": 1}.get(kind, 2) for kind in kinds]  # I1, I2


def _neutral(base: str) -> Callable[[re.Match[str]], str]:
    """Returns the function that gives neutral characters the direction of both neighbours, or else `base`."""

    def resolve(found: re.Match[str]) -> str:
        before, after = ("L" if kind == "L" else "R" for kind in found.groups())
        return (before if before == after else base) * len(found[0])

    return resolve


def in_visual_order(parts: Sequence[tuple[int, T]]) -> list[tuple[int, T]]:
    """Orders the parts of a line from left to right (rule L2).

    Args:
        parts: pairs of an embedding level and anything, in reading order.
    """
    ordered = list(parts)
    for level in range(max((level for level, _ in parts), default=0), 0, -1):
        start = 0
        while start < len(ordered):
            end = start
            while end < len(ordered) and ordered[end][0] >= level:
                end += 1
            ordered[start:end] = reversed(ordered[start:end])
            start = end + 1
    return ordered
