"""What the ranks of a run tell each other, and how they part."""

from __future__ import annotations

import gc
from typing import Any

import torch
import torch.distributed.nn  # before there is a group: its functions keep the one they find as a default


def gather(mine: Any) -> list[Any]:
    """Every rank's object, on every rank."""
    if not torch.distributed.is_initialized():
        return [mine]
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, mine)
    return parts


def leave_group() -> None:
    """Ends the group of processes, and its threads, while Python still runs.

    A thread of gloo's that lets go of a tensor after Python has ended aborts the process (PyTorch issue 190489).
    """
    if torch.distributed.is_initialized():
        gc.collect()  # a DDP model that is still about would keep the group alive
        torch.distributed.destroy_process_group()
