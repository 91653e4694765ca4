"""Concatenation: image vectors stand among the text, as tokens do (Frozen, section 3)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from frozenvl.model.batch import Batch
from frozenvl.model.fusion.fusion import Fusion


class Concat(Fusion):
    """Each of an image's `k` vectors takes a position of its own in the prompt (Frozen's visual prefix)."""

    def places(self, k: int) -> int:
        return k

    def embeddings(self, text: Tensor, batch: Batch, prefix: Tensor) -> Tensor:
        there = batch.slots >= 0
        vectors = prefix.flatten(0, 1)[batch.slots[there]]
        return text.index_put(there.nonzero(as_tuple=True), vectors.to(text.dtype))

    def identity(self) -> dict[str, Any]:
        return {}  # checkpoints from before there were other fusions name none
