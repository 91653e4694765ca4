"""Exports: a model as a folder or Hugging Face hub repository, with config.json, trained weights and a model card.

Frozen language models and encoders are not included. An export holds their names and the fingerprints of their weights.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from huggingface_hub import ModelCard, ModelHubMixin, hf_hub_download
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from frozenvl import __version__
from frozenvl.model.fingerprint import refuse_misfit
from frozenvl.model.fusion import Concat, Fusion
from frozenvl.model.heads import EmbeddingHead, Head, Matching
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.mappers import Mapper
from frozenvl.model.part import Part, description, kind_at
from frozenvl.model.temporal import Temporal
from frozenvl.model.tuning import Tuning
from frozenvl.model.vision import VisionEncoder
from frozenvl.pretrained.names import loading
from frozenvl.util.errors import UserError
from frozenvl.wording import Template

if TYPE_CHECKING:
    from frozenvl.model.frozen import FrozenVL

FILES = CONFIG, WEIGHTS, CARD = ("config.json", "model.safetensors", "README.md")
"""Files of an export."""
KINDS = {"vision": VisionEncoder, "tuning": Tuning, "fusion": Fusion, "temporal": Temporal}
"""Base class of each part that an export names by its class path."""
FORMER_MODULES = {
    "frozenvl.model.mapper": "frozenvl.model.mappers",
    "frozenvl.model.vision.hf_encoder": "frozenvl.model.vision.huggingface",
    "frozenvl.model.vision.timm_encoder": "frozenvl.model.vision.timm",
    "frozenvl.model.vision.torchvision_encoder": "frozenvl.model.vision.torchvision",
}
"""Current module of classes that exports of older versions name by a former one."""
SIZES = 4
"""Number of leading mapper arguments that the model supplies: channels, tokens, dim, k."""


class OnHub(
    ModelHubMixin,
    library_name="frozenvl",
    pipeline_tag="image-to-text",
    model_card_template=Path(__file__).with_name("card.md").read_text(encoding="utf-8"),
):
    """Mixin with `save_pretrained`, `push_to_hub` and `from_pretrained` for `FrozenVL`."""

    stored_dtype: torch.dtype | None = None
    """Floating dtype of the weights in exports; None for the model's own, which is fp32. Loading makes them fp32."""

    training_record: dict[str, Any] | None = None
    """What scores record about the training: `step`, its number of optimiser steps, and `blind`, whether all images
    were black. None for a model that no run trained."""

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **options: Any) -> FrozenVL:  # type: ignore[override]
        """Loads a model from an exported folder or from the hub, in eval mode.

        Args:
            pretrained_model_name_or_path: folder, or name on the hub.
            options: options of huggingface_hub: `revision`, `token`, `cache_dir`, …

        Raises:
            UserError: if it is not an export, names an unknown class, or was trained with another language model or
                encoder than the ones that its names load here.
        """
        with loading(str(pretrained_model_name_or_path)) as where:
            model: Any = super().from_pretrained(where, **options)
        return model

    def config(self: Any) -> dict[str, Any]:
        """Returns the content of config.json: all that is needed to build the model again, except the weights.

        Raises:
            UserError: if an argument of a part is not plain (JSON) data.
        """
        # Objectives without weights matter for training only.
        objectives = {name: description(part) for name, part in self.objectives.items() if part.trained()}
        return {
            "frozenvl": __version__,
            "model": {
                "language": self.language.arguments,
                "vision": description(self.vision),
                "mapper": description(self.mapper, SIZES),
                "k": self.k,
                "tuning": self.tuning and description(self.tuning),
                "bos": self.bos,
            }
            | ({} if type(self.fusion) is Concat else {"fusion": description(self.fusion)})
            | ({} if self.temporal is None else {"temporal": description(self.temporal)})
            | (
                {"heads": {name: description(head) for name, head in self.heads.items()}}
                if self.heads
                else {}
            )
            | ({"objectives": objectives} if objectives else {}),
            "precision": "bf16" if self.low_precision else "fp32",
            "scaled_decoding": self.scaled_decoding,
            **({"template": asdict(self.template)} if self.template else {}),
            **({"training": self.training_record} if self.training_record else {}),
            "identity": self.identity(),
        }

    def exported(self: Any) -> tuple[str, dict[str, Tensor]]:
        """Returns the content of an export's config.json, and its weights by name.

        Raises:
            UserError: if an argument of a part is not plain (JSON) data, or weights leave the range of `stored_dtype`.
        """
        config = json.dumps(self.config(), indent=2, ensure_ascii=False)
        weights = {
            name: as_stored(name, value.detach().cpu(), self.stored_dtype)
            for name, value in self.trained_weights().items()
        }
        return config, weights

    def _save_pretrained(self: Any, save_directory: Path) -> None:
        config, weights = self.exported()
        (save_directory / CONFIG).write_text(config + "\n", encoding="utf-8")
        # `save_file` makes files that only their owner can read, whatever the umask (safetensors 0.8).
        (save_directory / WEIGHTS).write_bytes(save(weights))

    @classmethod
    def _from_pretrained(  # type: ignore[override]
        cls,
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        config: dict[str, Any] | None = None,
    ) -> FrozenVL:
        file = Path(model_id) / WEIGHTS
        if not Path(model_id).is_dir():
            file = Path(
                hf_hub_download(
                    model_id,
                    WEIGHTS,
                    revision=revision,
                    cache_dir=cache_dir,
                    force_download=force_download,
                    local_files_only=local_files_only,
                    token=token,
                )
            )
        if not config or "frozenvl" not in config:
            raise UserError(f"{model_id}: not a model of frozenvl; `frozenvl export` writes one of a run")
        model: Any = cls(**_parts(**config["model"]))
        weights = _read_weights(file)
        refuse_misfit(config["identity"], weights, model.identity(), model.trained_weights(), model_id)
        model.load_state_dict(weights, strict=False)
        model.scaled_decoding = config["scaled_decoding"]
        model.training_record = config.get("training")
        if template := config.get("template"):
            stop = template.pop("stop", None)
            model.template = Template(**template, stop=None if stop is None else tuple(stop))
        if config["precision"] == "bf16":
            model.hold_frozen_in_bf16()
        return model.eval()

    def generate_model_card(self: Any, **facts: Any) -> ModelCard:
        """Returns the model card.

        Args:
            facts: facts about the training run: `step`, `blind`, `data`, `scores`, `marks`, `rounded`, `prompt`.
        """
        trained = sum(value.numel() for value in self.trained_weights().values())
        return ModelHubMixin.generate_model_card(
            self,
            config=self.config(),
            trained=trained,
            arguments=_as_keywords,
            embeds=any(isinstance(head, EmbeddingHead) for head in self.heads.values()),
            matches=any(isinstance(head, Matching) for head in self.heads.values()),
            **facts,
        )


def is_export(path: Path) -> bool:
    """Returns whether a path is the folder of an export."""
    return (path / CONFIG).is_file() and (path / WEIGHTS).is_file()


def read_export(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Returns the identity of the model of an export, and its trained weights by name, without building the model.

    Raises:
        UserError: if a file cannot be read, or is not of frozenvl.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        identity = config["identity"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder / CONFIG}: not the configuration of an export ({type(error).__name__}: {error}); export the run "
            "again with `frozenvl export`"
        ) from None
    return identity, _read_weights(folder / WEIGHTS)


def _read_weights(file: Path) -> dict[str, Tensor]:
    """Returns the trained weights of an export, by name.

    Raises:
        UserError: if the file cannot be read.
    """
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{file}: cannot be read ({error}); export it again") from None


def as_stored(name: str, value: Tensor, dtype: torch.dtype | None) -> Tensor:
    """Returns a copy of a weight in the floating dtype of an export; integers stay integers.

    Raises:
        UserError: if finite numbers leave the range of the dtype.
    """
    kept = value.clone(memory_format=torch.contiguous_format)
    if dtype is None or not value.is_floating_point():
        return kept
    rounded = kept.to(dtype)
    if (kept.isfinite() & ~rounded.isfinite()).any():
        raise UserError(
            f"{name}: has numbers beyond the range of {str(dtype).removeprefix('torch.')}; choose another"
        )
    return rounded


def _parts(language: dict, mapper: dict, k: int, bos: bool = False, **described: Any) -> dict[str, Any]:
    """Returns the constructor arguments of a `FrozenVL`.

    Args:
        described: description of each other part, by name; None if the model has no such part.
    """
    makers = {name: _maker(part, KINDS[name]) for name, part in described.items() if part and name in KINDS}
    objectives = {name: _maker(part, Part) for name, part in described.get("objectives", {}).items()}
    heads = {name: _maker(part, Head) for name, part in described.get("heads", {}).items()}
    return {
        "mapper": _maker(mapper, Mapper),
        "language": FrozenLanguageModel(**language),  # slow, so after everything that may fail
        **{name: make() for name, make in makers.items()},
        "k": k,
        "bos": bos,
        "objectives": {name: make() for name, make in objectives.items()},
        "heads": {name: make() for name, make in heads.items()},
    }


def _maker(part: dict[str, Any], base: type) -> Callable[..., Any]:
    """Returns the class and the arguments of a described part, as a callable that builds it."""
    path: str = part["class_path"]
    module, _, name = path.rpartition(".")
    path = f"{FORMER_MODULES[module]}.{name}" if module in FORMER_MODULES else path
    kind = kind_at(path, base)
    return lambda *given: kind(*given, **{name: _built(value) for name, value in part["init_args"].items()})


def _built(value: Any) -> Any:
    """Returns an argument with the parts built that are described in it."""
    if isinstance(value, list):
        return [_built(item) for item in value]
    described = isinstance(value, dict) and value.keys() == {"class_path", "init_args"}
    return _maker(value, Part)() if described else value


def _as_keywords(part: dict[str, Any]) -> str:
    """Returns the arguments of a described part as Python keyword arguments."""
    return ", ".join(f"{name}={value!r}" for name, value in part["init_args"].items())
