"""Loads a causal language model from its files: complete weights, the text part of composite models, end tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

from frozenvl.model.missing_weights import refuse_missing
from frozenvl.util.errors import UserError

ADAPTER = "adapter_config.json"
"""File of a PEFT adapter beside a model, which transformers loads with it."""


def load_causal_lm(where: Path | str, name: str, **options: Any) -> Any:
    """Loads a language model in fp32. Of a composite model (language model and image tower), it keeps the text part.

    Args:
        where: local folder or hub name.
        name: name for messages.
        options: options of `from_pretrained`, such as quantisation.

    Raises:
        UserError: if the file lacks weights, or the text part cannot be separated.
    """
    # Without an answer, transformers would ask on the terminal whether to run the code that some folders hold.
    trusted = {"trust_remote_code": False}
    is_causal_lm = type(AutoConfig.from_pretrained(where, **trusted)) in MODEL_FOR_CAUSAL_LM_MAPPING
    kind: Any = AutoModelForCausalLM if is_causal_lm else AutoModelForImageTextToText
    options |= trusted | {"dtype": torch.float32, "output_loading_info": True}
    load = partial(kind.from_pretrained, **options)
    if isinstance(where, Path) and (where / ADAPTER).is_file():
        # Together, transformers would tell the adapter's missing weights alone.
        with without_adapter(where) as folder:
            whole, info = load(folder)
        absent = info["missing_keys"] | whole.load_adapter(str(where)).missing_keys
    else:
        whole, info = load(where)
        absent = info["missing_keys"]
    model = text_part(whole, name)
    used = {id(weight) for weight in model.state_dict(keep_vars=True).values()}
    weights = whole.state_dict(keep_vars=True).items()
    missing = [key for key, weight in weights if key in absent and id(weight) in used]
    refuse_missing(f"language model {name!r}", missing, "choose another, or complete its file")
    return model


@contextmanager
def without_adapter(folder: Path) -> Iterator[Path]:
    """Context manager that yields a folder with a model's files (as links), but its PEFT adapter."""
    with TemporaryDirectory() as name:
        for file in folder.iterdir():
            if not file.name.startswith("adapter_"):
                (Path(name) / file.name).symlink_to(file.absolute())
        yield Path(name)


def text_part(whole: Any, name: str) -> Any:
    """Returns the causal language model inside a composite model; any other model is returned as it is.

    Args:
        whole: model of transformers.
        name: name for messages.

    Raises:
        UserError: if the text part is of another class than its configuration says.
    """
    config = whole.config.get_text_config(decoder=True)
    if config is whole.config:
        return whole
    decoder = whole.get_decoder()
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config)
    if type(model.base_model) is not type(decoder):
        raise UserError(
            f"{name}: the text part of {type(whole).__name__} cannot be used alone; choose another language model"
        )
    setattr(model, model.base_model_prefix, decoder)
    model.set_output_embeddings(whole.get_output_embeddings())
    model.generation_config = whole.generation_config
    return model.eval()


def end_tokens(model: Any) -> frozenset[int]:
    """Returns the ids of all tokens that end a text or a turn, as transformers' `generate` would use them."""
    ids = model.generation_config.eos_token_id
    return frozenset([] if ids is None else [ids] if isinstance(ids, int) else ids)
