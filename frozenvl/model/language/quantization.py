"""A language model in 8 or 4 bits a weight, by bitsandbytes: on CUDA alone, and not run by this project's tests."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any, Literal, TypeAlias

import torch
from transformers import BitsAndBytesConfig

from frozenvl.util.errors import UserError

Quantization: TypeAlias = Literal["int8", "nf4"]

SETTINGS: dict[str, dict[str, Any]] = {
    "int8": {"load_in_8bit": True},  # LLM.int8 (Dettmers et al. 2022)
    "nf4": {  # QLoRA (Dettmers et al. 2023)
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_compute_dtype": torch.bfloat16,
    },
}


def quantized(how: Quantization) -> dict[str, Any]:
    """Options of transformers' `from_pretrained`, for this process's device.

    Raises:
        UserError: without CUDA, or without bitsandbytes.
    """
    missing = [
        *(() if torch.cuda.is_available() else ("a CUDA device",)),
        *(() if find_spec("bitsandbytes") else ("the package bitsandbytes",)),
    ]
    if missing:
        raise UserError(f"model.quantization {how} needs {' and '.join(missing)}; leave it out")
    device = int(os.environ.get("LOCAL_RANK", 0))
    return {"quantization_config": BitsAndBytesConfig(**SETTINGS[how]), "device_map": {"": device}}
