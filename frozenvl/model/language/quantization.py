"""Quantisation of the language model to 8 or 4 bits per weight, with bitsandbytes on CUDA. The tests do not run it."""

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
    """Returns options of transformers' `from_pretrained` for this process's device.

    Raises:
        UserError: if CUDA or bitsandbytes is missing.
    """
    missing = [
        *(() if torch.cuda.is_available() else ("a CUDA device",)),
        *(() if find_spec("bitsandbytes") else ("the package bitsandbytes",)),
    ]
    if missing:
        raise UserError(f"model.quantization {how} needs {' and '.join(missing)}; leave it out")
    device = int(os.environ.get("LOCAL_RANK", 0))
    return {"quantization_config": BitsAndBytesConfig(**SETTINGS[how]), "device_map": {"": device}}
