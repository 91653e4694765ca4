"""Prefix trees: rows of a batch that begin alike share the positions of their common beginning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from torch import Tensor


@dataclass(frozen=True)
class PrefixTree:
    """Common beginnings of the rows of a batch.

    In causal attention a position depends only on itself and on those before it. So if several rows begin alike, such
    as with the same image, one row computes the beginning and the others attend to it.

    Args:
        order: rows, sorted by what stands in them, so that those with the longest common beginning are neighbours.
        shared: for each row, the number of leading positions that it shares with the row before it in `order`.
    """

    order: tuple[int, ...]
    shared: tuple[int, ...]

    @classmethod
    def of(cls, contents: Tensor, lengths: Tensor) -> PrefixTree:
        """Finds the common beginnings of rows.

        Args:
            contents: (B, L, parts) integers that tell apart what stands at each position.
            lengths: (B,) number of real positions.
        """
        rows = [
            [tuple(position) for position in row[:length]]
            for row, length in zip(contents.tolist(), lengths.tolist(), strict=True)
        ]
        order = sorted(range(len(rows)), key=rows.__getitem__)
        shared = [0] * len(rows)
        for before, row in pairwise(order):
            pairs = zip(rows[before], rows[row], strict=False)
            shared[row] = next(
                (place for place, (one, other) in enumerate(pairs) if one != other),
                min(len(rows[before]), len(rows[row])),
            )
        return cls(tuple(order), tuple(shared))

    @property
    def saved(self) -> int:
        """Number of positions that need not be computed."""
        return sum(self.shared)

    def behind(self, positions: int) -> PrefixTree:
        """Returns the tree of the same rows behind `positions` more that all rows have in common (a soft prompt)."""
        first = self.order[:1]
        return replace(
            self,
            shared=tuple(0 if row in first else count + positions for row, count in enumerate(self.shared)),
        )
