"""What the ranks of a run tell each other."""

from __future__ import annotations

from typing import Any

import torch


def gather(mine: Any) -> list[Any]:
    """Every rank's object, on every rank."""
    if not torch.distributed.is_initialized():
        return [mine]
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, mine)
    return parts
