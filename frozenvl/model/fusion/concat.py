"""Concatenation: image vectors are positions among the text tokens (Frozen, section 3)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from frozenvl.model.batch import Batch
from frozenvl.model.fusion.fusion import Fusion


class Concat(Fusion):
    """Fusion by concatenation: each of an image's `k` vectors takes one position in the prompt (Frozen)."""

    def places(self, k: int) -> int:
        return k

    def embeddings(self, text: Tensor, batch: Batch, prefix: Tensor) -> Tensor:
        is_image = batch.slots >= 0
        vectors = prefix.flatten(0, 1)[batch.slots[is_image]]
        return text.index_put(is_image.nonzero(as_tuple=True), vectors.to(text.dtype))

    def identity(self) -> dict[str, Any]:
        return {}  # older checkpoints have no such key, because `Concat` was the only fusion
