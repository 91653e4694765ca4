"""First vectors of markers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from frozenvl.model.frozen import FrozenVL


@torch.no_grad()
def first_vector(model: FrozenVL) -> Tensor:
    """Returns a marker's first vector (1, dim): the end token's, scaled to the mean length of the embeddings.

    If the end token has none (a random model's is 0 if it is also the padding token), another token's is taken.
    """
    language = model.language
    some = language.some_embeddings().float()
    ends = torch.tensor(sorted(language.end_tokens)[:1], dtype=torch.long, device=some.device)
    candidates = torch.cat([language.embed(ends).float(), some])
    lengths = candidates.norm(dim=-1)
    first = int((lengths > 0).int().argmax())
    return candidates[first : first + 1] * (some.norm(dim=-1).mean() / lengths[first].clamp(min=1e-6))
