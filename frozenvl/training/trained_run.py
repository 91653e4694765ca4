"""Loads a trained run for inference: the model of its `config.yaml` with a checkpoint's weights."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import ArgumentError, ArgumentParser

from frozenvl.model.frozen import FrozenVL
from frozenvl.model.processor import Processor
from frozenvl.prompt import Image
from frozenvl.training.checkpoint import read_checkpoint
from frozenvl.training.configuration import module_spec
from frozenvl.training.datamodule import FrozenData
from frozenvl.training.module import FrozenModule
from frozenvl.training.run_folder import CHECKPOINTS, last_checkpoint
from frozenvl.util.config_text import unescaped
from frozenvl.util.errors import UserError
from frozenvl.util.null_values import null_behind, refuse_empty_blocks, refuse_nulls
from frozenvl.util.parser_messages import one_line
from frozenvl.video.sampling import Sampling
from frozenvl.wording import VQA, Template

CONFIG = "config.yaml"
"""File in a run's folder with its configuration."""


@dataclass(frozen=True)
class Trained:
    """Trained model ready for inference, without a Trainer."""

    module: FrozenModule
    """Module in eval mode, on CUDA if available."""
    processor: Processor
    templates: dict[str, Template]
    """Templates of the run's validation tasks, by name."""
    blind: bool
    """True if it was trained on black images."""
    step: int
    """Number of optimiser steps that the weights were trained for."""

    @property
    def model(self) -> FrozenVL:
        """The module's model."""
        return self.module.model

    @property
    def precision(self) -> str:
        """Dtype of the arithmetic, `bf16` or `fp32`."""
        return self.module.precision

    @property
    def trained_weights(self) -> str:
        """Fingerprint of the trained weights."""
        return self.module.trained_fingerprint()

    @property
    def captioning(self) -> Template:
        """Template of the first captioning task, or the default one."""
        return next((t for t in self.templates.values() if "{question}" not in t.query), Template())

    @property
    def answering(self) -> Template:
        """Template of the first question answering task, or VQA's."""
        return next((t for t in self.templates.values() if "{question}" in t.query), VQA)

    @property
    def conversing(self) -> Template:
        """Template of the first task of questions that uses the chat template; without one, `answering`.

        A run without questions may have been trained on captions in the chat template, which is then used.
        """
        templates = sorted(self.templates.values(), key=lambda t: ("{question}" not in t.query, not t.chat))
        asking = bool(templates) and "{question}" in templates[0].query
        return templates[0] if asking else next((t for t in templates if t.chat), self.answering)


def load_trained(path: Path) -> Trained:
    """Loads a trained run.

    Args:
        path: checkpoint in a run's folder, or a run's folder, whose last checkpoint is then used.

    Raises:
        UserError: if the checkpoint or `config.yaml` is missing, or they do not match.
    """
    checkpoint = (last_checkpoint(path) or path / CHECKPOINTS / "last.ckpt") if path.is_dir() else path
    content = read_checkpoint(checkpoint)
    recorded = content["frozenvl"]
    run = run_folder(path)
    settings = {"precision": recorded["precision"], "init_from": None}
    kind, described = module_spec(read_config(run)["model"])
    module: FrozenModule = made(kind, described | settings, "model", f"{run / CONFIG}: ")
    module.load_trained(checkpoint)
    if recorded["precision"] == "bf16":
        module.model.hold_frozen_in_bf16()
    module.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    data = read_config(run)["data"]
    module.model.scaled_decoding = data.get("scaled_decoding", True)
    processor = module.model.processor()
    templates = {name: as_template(task.get("template")) for name, task in data["val"].items()}
    trained = Trained(module, processor, templates, bool(data.get("blind")), content["global_step"])
    module.model.template = trained.conversing
    module.model.training_record = {"step": trained.step, "blind": trained.blind}
    return trained


def run_folder(path: Path) -> Path:
    """Returns the folder of a run, given the folder or one of its checkpoints, which may lie in another folder.

    Raises:
        UserError: if the path is neither.
    """
    if path.is_dir():
        return path
    folder = path.absolute().parent
    if folder.name != CHECKPOINTS or not (folder.parent / CONFIG).is_file():
        recorded = read_checkpoint(path, mmap=True).get("run")
        if recorded and (Path(recorded) / CONFIG).is_file():
            return Path(recorded)
    return folder.parent


def images_of(run: Path) -> dict[str, Image]:
    """Returns the images of a run's validation examples by id, from the data in its configuration.

    The ids of turns are among them, each with the last image that its conversation has shown by then.
    """
    data: FrozenData = from_config(run, "data", FrozenData, {})
    images: dict[str, Image] = {}
    for source in [task.source for task in data.val.values()]:
        for example in map(source.__getitem__, range(len(source))):
            last = example.image
            images[example.id] = last
            for turn in example.turns:
                last = next((part for part in reversed(turn.message) if isinstance(part, Image)), last)
                images.setdefault(turn.id, last)
    return images


def run_sampling(path: Path) -> Sampling:
    """Returns the sampling of the videos that a run was validated or trained on; the default one, if there are none.

    Args:
        path: checkpoint in a run's folder, or a run's folder.
    """
    with suppress(UserError):  # loading the run says what is wrong with it
        data = read_config(run_folder(path))["data"]
        for task in (*data["val"].values(), *data["train"].values()):
            settings = task.get("source", {}).get("init_args", {})
            if settings.get("sampling") and settings.get("frames"):
                return Sampling(settings["sampling"], settings["frames"], settings.get("fps"))
    return Sampling()


def read_config(run: Path) -> dict[str, Any]:
    """Reads `config.yaml` of a run's folder.

    Raises:
        UserError: if there is none.
    """
    file = run / CONFIG
    if not file.is_file():
        raise UserError(
            f"{file}: no such file; a checkpoint is read with the config.yaml of its run's folder"
        )
    return unescaped(yaml.safe_load(file.read_text(encoding="utf-8")))


def from_config(run: Path, key: str, kind: type, settings: dict[str, Any]) -> Any:
    """Instantiates `key` of a run's configuration as `kind`, with `settings` replacing its own."""
    return made(kind, read_config(run)[key] | settings, key, f"{run / CONFIG}: ")


def made(kind: type, settings: dict[str, Any], key: str, where: str = "") -> Any:
    """Instantiates a class from its settings, as jsonargparse does.

    Args:
        kind: class of the object.
        settings: arguments of the class, as in YAML.
        key: key of the settings in the configuration, for error messages.
        where: start of error messages, such as the name of the file.

    Raises:
        UserError: if the settings are invalid.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, key)
    refuse_empty_blocks(settings, (), where, key)
    try:
        config = parser.parse_object({key: settings})
        refuse_nulls(parser, config, where)
        return parser.instantiate_classes(config)[key]
    except ArgumentError as error:
        reason = null_behind(error, parser, {key: settings}) or one_line(str(error))
        raise UserError(f"{where}{reason}") from error


def as_template(fields: dict[str, Any] | None) -> Template:
    """Makes a template from its fields in YAML."""
    fields = dict(fields or {})
    return Template(**fields | ({"stop": tuple(fields["stop"])} if fields.get("stop") is not None else {}))
