"""Oddities of tars, counted while they are indexed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

IGNORED = "members ignored"
"""Kind of oddity: members that are neither an image, a text nor `.json`. Its names are their suffixes."""
NO_IMAGE = "samples without an image"
LINES = "texts of several lines"
NO_TEXT = "samples without a text"
"""Kind of oddity whose names are the keys of texts in the samples' `.json`."""
MAX_NAMES = 100
"""Number of different names that an index keeps for each tar and kind."""
MAX_SHOWN = 5
"""Number of different names that a line shows."""
LONGEST_NAME = 40
"""Number of characters of a name that a line shows."""


@dataclass
class Notes:
    """Oddities of one or more tars."""

    counts: Counter[str] = field(default_factory=Counter)
    """Kind → number."""
    names: dict[str, Counter[str]] = field(default_factory=dict)
    """Kind → suffix or key → number. Rare ones of tars with many are left out."""

    def add(self, kind: str, times: int = 1, names: Iterable[str] = ()) -> None:
        """Counts an oddity `times` times, and each of the names once."""
        if times:
            self.counts[kind] += times
            for name in names:
                self.names.setdefault(kind, Counter())[name] += 1

    def merge(self, counts: Mapping[str, int], names: Mapping[str, Mapping[str, int]]) -> None:
        """Adds the counts of another tar."""
        self.counts.update(counts)
        for kind, times in names.items():
            self.names.setdefault(kind, Counter()).update(times)

    def most_frequent(self) -> dict[str, dict[str, int]]:
        """Returns the `MAX_NAMES` most frequent names of each kind."""
        return {kind: dict(counter.most_common(MAX_NAMES)) for kind, counter in self.names.items()}

    def shown_names(self, kind: str) -> str:
        """Returns the most frequent names of a kind with their numbers; an empty string if there are none."""
        shown = self.names.get(kind, Counter()).most_common(MAX_SHOWN + 1)
        parts = [f"{printable(name)[:LONGEST_NAME]}: {times:,}" for name, times in shown]
        return ", ".join([*parts[:MAX_SHOWN], *(["…"] if len(parts) > MAX_SHOWN else [])])

    def described(self) -> dict[str, int]:
        """Returns kind and names → number, such as "members ignored (b0.jpg: 4, b0.txt: 4)" → 8."""
        found = {}
        for kind, times in sorted(self.counts.items()):
            names, label = self.shown_names(kind), "texts in their .json: " if kind == NO_TEXT else ""
            found[f"{kind} ({label}{names})" if names else kind] = times
        return found

    def lines(self) -> list[str]:
        """Returns a line for each kind, such as "8 members ignored (b0.jpg: 4, b0.txt: 4)"."""
        return [f"{times:,} {kind}" for kind, times in self.described().items()]


def printable(text: str) -> str:
    """Escapes a name that contains unprintable characters, which would break lines and JSON."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()
