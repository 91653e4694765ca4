"""First vectors of markers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from frozenvl.model.frozen import FrozenVL


@torch.no_grad()
def first_vector(model: FrozenVL) -> Tensor:
    """Returns a marker's first vector (1, dim): the mean embedding, scaled to the mean length of embeddings.

    The end token's embedding would do as well, but some models fill it with zeros, as padding.
    """
    some = model.language.some_embeddings().float()
    vector = some.mean(0, keepdim=True)
    return vector * (some.norm(dim=-1).mean() / vector.norm())
