"""Settings of oneDNN, the library that computes bf16 products and convolutions on a CPU."""

from __future__ import annotations

import os

CAPACITY = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
"""Environment variable of oneDNN: number of kernels that it keeps."""


def limit_kernel_cache() -> None:
    """Makes oneDNN keep 64 kernels in place of 1,024, unless the environment says how many.

    A kernel is made for each new shape, and shapes differ from batch to batch. The small blocks of thousands of kernels
    keep the C library from reusing the large ones around them, so a fit's memory grew for hours. It has to be called
    before oneDNN computes for the first time.
    """
    os.environ.setdefault(CAPACITY, "64")
