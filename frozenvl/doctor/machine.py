"""Checks of processors, accelerators and memory."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

from frozenvl.doctor.finding import Finding

GB = 10**9
SHARED = 1 * GB
"""Free shared memory (bytes) below which data loader workers may fail: Docker's default is 64 MB."""
OPEN_FILES = 1024
"""Open files that two ranks with workers may need."""
MEMORY = 4 * GB
"""Free memory (bytes) below which the small real models hardly train."""


def processors() -> Iterator[Finding]:
    """Tells the cores that this process may use, and finds a number of threads that does not suit them."""
    import torch

    from frozenvl.util.cores import available_cores

    cores, threads = available_cores(), torch.get_num_threads()
    yield Finding(
        "ok", f"{cores} cores for this process (the machine has {os.cpu_count()}), {threads} threads"
    )
    if threads > cores:
        yield Finding(
            "warning",
            f"torch uses {threads} threads on {cores} cores, which slows it",
            f"export OMP_NUM_THREADS={cores}",
        )


def accelerators() -> Iterator[Finding]:
    """Tells the accelerators that torch sees, and NCCL's version."""
    import torch

    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            yield Finding("ok", f"GPU {index}: {properties.name}, {properties.total_memory / GB:.0f} GB")
        version = (
            ".".join(map(str, torch.cuda.nccl.version())) if torch.distributed.is_nccl_available() else ""
        )
        if version:
            yield Finding("ok", f"CUDA {torch.version.cuda}, NCCL {version}")
        elif torch.cuda.device_count() > 1:
            yield Finding(
                "warning",
                "this torch has no NCCL, so GPUs cannot train together",
                "install a torch with CUDA",
            )
    elif torch.version.cuda and shutil.which("nvidia-smi"):
        yield Finding(
            "warning",
            f"there is a GPU's driver, but torch (CUDA {torch.version.cuda}) sees no GPU",
            "nvidia-smi tells the CUDA version that the driver supports; install a torch for it",
        )
    elif torch.backends.mps.is_available():
        yield Finding("ok", "Apple GPU (mps)")
    else:
        yield Finding("note", "no GPU: runs use the processor")


def precision() -> Iterator[Finding]:
    """Measures whether bf16 is faster than fp32, as `model.precision: auto` does."""
    import torch

    from frozenvl.model.precision import faster_precision

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    faster = faster_precision(device)
    more = "" if faster == "bf16" else "; frozen weights take twice the memory of bf16"
    yield Finding(
        "ok",
        f"{faster} is faster here, which `model.precision: auto` chooses{more}",
    )


def memory() -> Iterator[Finding]:
    """Finds too little free memory, shared memory and open files."""
    import psutil

    state = psutil.virtual_memory()
    low = state.available < MEMORY
    yield Finding(
        "warning" if low else "ok",
        f"{state.available / GB:.1f} GB of {state.total / GB:.1f} GB memory are free",
        "end other programs, or choose smaller models; `frozenvl plan` forecasts what a fit needs"
        if low
        else "",
    )
    if Path("/dev/shm").is_dir():
        free = shutil.disk_usage("/dev/shm").free
        yield Finding(
            "warning" if free < SHARED else "ok",
            f"{free / GB:.2f} GB of shared memory are free, through which data loader workers hand over batches",
            "docker run --shm-size=8g, or data.num_workers: 0" if free < SHARED else "",
        )
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = 0 <= soft < OPEN_FILES
    yield Finding(
        "warning" if few else "ok",
        f"{'unlimited' if soft < 0 else soft} open files",
        f"ulimit -n {hard}" if few else "",
    )
