"""Communication between the ranks of a run."""

from __future__ import annotations

import gc
from typing import Any

import torch
import torch.distributed.nn  # before a group exists: its functions store the current one as default argument


def gather(mine: Any) -> list[Any]:
    """Returns the objects of all ranks, in rank order, on every rank."""
    if not torch.distributed.is_initialized():
        return [mine]
    objects: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(objects, mine)
    return objects


def leave_group() -> None:
    """Destroys the process group and its threads before Python exits.

    Otherwise a gloo thread that frees a tensor after Python's end aborts the process (PyTorch issue 190489).
    """
    if torch.distributed.is_initialized():
        gc.collect()  # a DDP model not yet collected would keep the group alive
        torch.distributed.destroy_process_group()
