"""Points of a sweep's grid and their runs: names, folder names and labels."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

UNNAMED = ("init_args", "class_path")
"""Parts of a dotted key that names leave out."""
MAX_NAME = 100
"""Maximum length of a point's folder name in characters; a longer one is cut and gets a digest."""


@dataclass(frozen=True)
class Point:
    """One combination of values of the varied keys.

    Args:
        arm: name of its arm; empty in a sweep without arms.
        values: dotted key → value.
    """

    arm: str
    values: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Digest of arm and values. It stays the same when the specification gets other points."""
        content = json.dumps([self.arm, dict(self.values)], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """Folder name. It depends on this point only, so points that are added later do not change it."""
        titles = [short_key(key) for key in self.values]
        words = [folder_word(value) for value in self.values.values()]
        unique = len(set(titles)) == len(titles) and all(exact for _, exact in words)
        parts = [clean(self.arm)] if self.arm else []
        parts += [f"{clean(title)}{word}" for title, (word, _) in zip(titles, words, strict=True)]
        name = "-".join(parts)[:MAX_NAME]
        return name if unique and len(name) < MAX_NAME else f"{name}-{self.key[:6]}"

    @property
    def label(self) -> str:
        """Values in words: "k 4, lr 0.1". A key whose last part is not unique is written in full."""
        titles = [short_key(key) for key in self.values]
        named = zip(self.values.items(), titles, strict=True)
        return ", ".join(
            f"{title if titles.count(title) == 1 else key} {in_words(value)}" for (key, value), title in named
        )


@dataclass(frozen=True)
class SweepRun:
    """A point with a seed."""

    point: Point
    seed: int

    @property
    def name(self) -> str:
        """Folder name."""
        return f"{self.point.name or 'run'}-seed{self.seed}"

    @property
    def key(self) -> str:
        """Digest of the point, and the seed."""
        return f"{self.point.key}-{self.seed}"

    def as_json(self) -> dict[str, Any]:
        """Returns a dict that JSON can hold; `from_json` reads it."""
        return asdict(self.point) | {"seed": self.seed}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SweepRun:
        return cls(Point(content["arm"], content["values"]), content["seed"])


def short_key(key: str) -> str:
    """Returns the last part of a dotted key other than `init_args` and `class_path`."""
    return next((part for part in reversed(key.split(".")) if part not in UNNAMED), key)


def in_words(value: Any) -> str:
    """Returns a value as text; a class path as the name of the class with its arguments."""
    if isinstance(value, Mapping) and isinstance(value.get("class_path"), str):
        options = value.get("init_args") or {}
        inside = ", ".join(f"{key} {in_words(option)}" for key, option in options.items())
        return in_words(value["class_path"]) + (f" ({inside})" if inside else "")
    if isinstance(value, str):
        return value.rpartition(".")[2] if re.fullmatch(r"(\w+\.)+[A-Za-z]\w*", value) else value
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value)


def folder_word(value: Any) -> tuple[str, bool]:
    """Returns a value as part of a folder name, and whether no other value gives the same text."""
    if isinstance(value, float):
        word = f"{value:.4g}"
        return word, float(word) == value and not word.isdigit()
    word = clean(in_words(value))
    if isinstance(value, str):
        return word, word == value and not re.fullmatch(r"true|false|null|[-+.\d].*", value)
    return word, isinstance(value, int | None)


def clean(text: str) -> str:
    """Returns text with characters that are unsafe in folder names replaced by `_`."""
    return re.sub(r"[^\w.+-]+", "_", text).strip("_") or "_"
