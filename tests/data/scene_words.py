"""Meaning of the words in captions and questions about scenes, computed only from coordinates."""

import re

from frozenvl.data.scenes.description import COLOURS, SHAPES

NUMBERS = {"a": 1, "an": 1, "two": 2, "three": 3, "four": 4}
SIZES = {"small": "small", "little": "small", "large": "large", "big": "large"}
PLURALS = {shape + ("es" if shape == "cross" else "s"): shape for shape in SHAPES} | {s: s for s in SHAPES}
NOUN = "|".join(sorted(PLURALS, key=len, reverse=True))
PHRASE = re.compile(rf"\b(a|an|two|three|four) (?:({'|'.join(SIZES)}) )?({'|'.join(COLOURS)}) ({NOUN})\b")


def centre(group):
    return tuple(sum(getattr(t, axis) for t in group.things) / group.count for axis in "xy")


def holds(relation, one, other):
    """Returns whether a relation holds between two groups, according to their coordinates."""
    (x1, y1), (x2, y2) = centre(one), centre(other)
    if relation in ("to the left of", "to the right of"):
        return x1 < x2 if relation == "to the left of" else x1 > x2
    return y1 < y2 if relation in ("above", "over") else y1 > y2


def place(group, groups):
    """Returns the name of a group's place, according to its coordinates."""
    x, y = centre(group)
    if len(groups) == 4:
        return f"{'top' if y < 0.5 else 'bottom'} {'left' if x < 0.5 else 'right'}"
    if abs(x - 0.5) <= 0.13 and abs(y - 0.5) <= 0.13:
        return "middle"
    if abs(x - 0.5) > abs(y - 0.5):
        return "left" if x < 0.5 else "right"
    return "top" if y < 0.5 else "bottom"
