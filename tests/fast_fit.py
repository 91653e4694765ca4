"""Fits that share one parser, one model and one data set, so that each takes a fraction of a second."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import lightning as L
import torch
from jsonargparse import ArgumentError, Namespace
from running import CONFIG

from frozenvl.training.command_line import FrozenCLI
from frozenvl.training.datamodule import FrozenData
from frozenvl.training.module import FrozenModule
from frozenvl.training.parsing import ParserAlone, make
from frozenvl.training.trained_run import made
from frozenvl.util.errors import UserError
from frozenvl.util.parser_messages import one_line

PLAIN = {
    "--trainer.callbacks": '[{"class_path": "lightning.pytorch.callbacks.ModelCheckpoint", "init_args": '
    '{"every_n_train_steps": 2, "save_last": true, "save_top_k": -1, "filename": "{step}"}}]',
    "--trainer.max_steps": "2",
    "--trainer.val_check_interval": "2",
    "--trainer.limit_val_batches": "1",
    "--model.schedule": "constant",
    "--model.mapper.init_args.dropout": "0",
}
"""Options over those of tests/tiny.yaml: two steps, one validation batch, no benchmark and no dropout."""


class FastCLI(FrozenCLI):
    """Command line of `fit` without subcommands, for a model and data that exist.

    Args:
        parser: parser of the options.
        config: parsed options.
        module: module to train.
        data: its data.
    """

    def __init__(self, parser: Any, config: Namespace, module: Any, data: Any) -> None:
        self.subcommand, self.parser, self.config = None, parser, config
        self.trainer_class, self.trainer_defaults = L.Trainer, {}
        self.save_config_callback, self.save_config_kwargs = None, {}
        self.model, self.datamodule = module, data
        parts = config.clone()
        for key in ("model", "data"):
            del parts[key]
        self.config_init = parser.instantiate_classes(parts, instantiate_groups=False)
        self.trainer = self.instantiate_trainer()

    def run(self, checkpoint: str | None = None) -> None:
        """Fits, in the current folder."""
        self.config["ckpt_path"] = checkpoint
        self.before_fit()
        self.trainer.fit(self.model, datamodule=self.datamodule, ckpt_path=checkpoint)


class FastFits:
    """Makes fits of the tiny models.

    Args:
        language: folder of the language model.
        vision: folder of the image encoder.
    """

    def __init__(self, language: Path, vision: Path) -> None:
        self.parser = make(ParserAlone, [], subcommands=False).parser
        self.models = {"--model.language": str(language), "--model.vision.init_args.name": str(vision)}
        config = self.parse().as_dict()
        self.module = made(FrozenModule, config["model"], "model")
        self.data = made(FrozenData, config["data"], "data")

    def parse(self, *options: str) -> Namespace:
        """Parses options over the plain ones; a user error if they are refused."""
        plain = [x for item in (self.models | PLAIN).items() for x in item]
        try:
            return self.parser.parse_args(["--config", str(CONFIG), *plain, *map(str, options)])
        except ArgumentError as error:
            raise UserError(one_line(str(error))) from error

    def __call__(self, *options: str, checkpoint: str | None = None, optimizer: Any = None) -> FastCLI:
        """Fits a copy of the model in the current folder; returns the command line with its Trainer.

        Args:
            options: command-line options of the Trainer; also `--model.schedule` and `--data.batch_size`.
            checkpoint: checkpoint to resume from.
            optimizer: function that makes the optimiser of parameter groups.
        """
        torch.manual_seed(0)
        module, data, config = deepcopy(self.module), deepcopy(self.data), self.parse(*options)
        module.schedule, data.batch_size = config.model.schedule, config.data.batch_size
        if optimizer is not None:
            module.make_optimizer = optimizer
        cli = FastCLI(self.parser, config, module, data)
        cli.run(checkpoint)
        return cli


def losses(run: str = "tiny") -> Sequence[float]:
    """Returns the training losses in a run's history."""
    lines = (Path("runs") / run / "history.jsonl").read_text().splitlines()
    return [row["train/loss"] for row in map(json.loads, lines) if "train/loss" in row]
