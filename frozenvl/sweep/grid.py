"""Points of a sweep and their runs: what they are called, in words, in folders, and as arguments of `frozenvl fit`."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

UNNAMED = ("init_args", "class_path")
"""Parts of a key that name nothing."""


@dataclass(frozen=True)
class Point:
    """One combination of values.

    Args:
        arm: the arm that it belongs to; empty in a sweep without arms.
        values: dotted key → value.
    """

    arm: str
    values: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The same for the same values, whatever else the sweep holds."""
        return digest([self.arm, dict(self.values)])

    @property
    def name(self) -> str:
        """A folder's name: of this point alone, so that values that are added later rename nothing."""
        titles = [short(key) for key in self.values]
        words = [slug(value) for value in self.values.values()]
        exact = len(set(titles)) == len(titles) and all(exactly for _, exactly in words)
        parts = [*([clean(self.arm)] if self.arm else [])]
        parts += [f"{clean(title)}{word}" for title, (word, _) in zip(titles, words, strict=True)]
        name = "-".join(parts)[:100]
        return name if exact and len(name) < 100 else f"{name}-{self.key[:6]}"

    @property
    def label(self) -> str:
        return ", ".join(f"{title} {told(value)}" for title, value in zip(self.titles, self.values.values()))  # noqa: B905

    @property
    def titles(self) -> list[str]:
        """What its keys are called: their last part, or all of it where two share that."""
        shorts = [short(key) for key in self.values]
        return [
            title if shorts.count(title) == 1 else key for key, title in zip(self.values, shorts, strict=True)
        ]


@dataclass(frozen=True)
class Run:
    """A point with a seed."""

    point: Point
    seed: int

    @property
    def name(self) -> str:
        return f"{self.point.name or 'run'}-seed{self.seed}"

    @property
    def key(self) -> str:
        return f"{self.point.key}-{self.seed}"

    def as_json(self) -> dict[str, Any]:
        return {"arm": self.point.arm, "values": dict(self.point.values), "seed": self.seed}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Run:
        return cls(Point(content["arm"], dict(content["values"])), content["seed"])


def grid(lists: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """All combinations, the last key varying fastest."""
    return [dict(zip(lists, values, strict=True)) for values in product(*lists.values())]


def digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def short(key: str) -> str:
    """The last part of a dotted key that names something."""
    return next((part for part in reversed(key.split(".")) if part not in UNNAMED), key)


def told(value: Any) -> str:
    """A value in words: a class by its name."""
    if isinstance(value, Mapping) and isinstance(value.get("class_path"), str):
        options = value.get("init_args") or {}
        inside = ", ".join(f"{key} {told(option)}" for key, option in options.items())
        return told(value["class_path"]) + (f" ({inside})" if inside else "")
    if isinstance(value, str):
        return value.rpartition(".")[2] if re.fullmatch(r"(\w+\.)+[A-Za-z]\w*", value) else value
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value)


def slug(value: Any) -> tuple[str, bool]:
    """A value in a folder's name, and whether no other value is written so."""
    if isinstance(value, float):
        word = f"{value:.4g}"
        return word, float(word) == value and not word.isdigit()
    word = clean(told(value))
    if isinstance(value, str):
        return word, word == value and not re.fullmatch(r"true|false|null|[-+.\d].*", value)
    return word, isinstance(value, int | None)


def clean(text: str) -> str:
    return re.sub(r"[^\w.+-]+", "_", text).strip("_") or "_"


def argument(key: str, value: Any) -> str:
    """As `frozenvl fit` takes it."""
    return f"--{key}={value if isinstance(value, str) else json.dumps(value)}"
