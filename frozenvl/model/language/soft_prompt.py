"""What is learned to stand in front of every sequence."""

from __future__ import annotations

from torch import Tensor
from transformers import Cache


class SoftPrompt:
    """Vectors at the input, or keys and values: one of the two methods gives something."""

    length: int
    """Positions."""

    def vectors(self) -> Tensor | None:
        """(length, dim)."""
        return None

    def cache(self, rows: int) -> Cache | None:
        """A new cache of so many rows."""
        return None
