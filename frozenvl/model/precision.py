"""Measures which precision is faster on this machine: bf16 or fp32."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Literal, TypeAlias

import torch

Precision: TypeAlias = Literal["auto", "bf16", "fp32"]


def faster_precision(device: torch.device) -> Precision:
    """Returns the faster precision: bf16 if a GPU supports it natively, or if a CPU measures 20 % less processor time.

    The CPU measurement takes some milliseconds: a matrix product as in a layer of a small language model.
    """
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        a, b = (
            torch.ones(1024, 576, dtype=dtype, device=device),
            torch.ones(576, 1536, dtype=dtype, device=device),
        )
        a @ b
        # Processor time, and the best of several: other programs must not change the precision of a run.
        seconds[dtype] = min(processor_seconds(partial(torch.matmul, a, b)) for _ in range(5))
    return "bf16" if seconds[torch.bfloat16] < 0.8 * seconds[torch.float32] else "fp32"


def processor_seconds(work: Callable[[], object]) -> float:
    """Returns the processor time of a call, over all threads, in seconds."""
    start = time.process_time()
    work()
    return time.process_time() - start
