"""Interface of soft prompts, which are prepended to every sequence."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from transformers import Cache


class SoftPrompt:
    """Learned soft prompt. A subclass overrides one method: `vectors` at the input, or `cache` in every layer."""

    length: int
    """Number of positions."""
    in_cache: ClassVar[bool] = False
    """True if the prompt is keys and values, False if it is embeddings."""

    def vectors(self) -> Tensor | None:
        """Returns the learned input embeddings (length, dim); None if the prompt is keys and values."""
        return None

    def cache(self, rows: int) -> Cache | None:
        """Returns a new cache of the learned keys and values for `rows` sequences; None if the prompt is embeddings."""
        return None
