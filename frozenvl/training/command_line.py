"""LightningCLI for FrozenModule and FrozenData: a folder per run, safe checkpoints, errors in one line."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import lightning as L
import yaml
from jsonargparse import ArgumentError, Namespace
from lightning.pytorch.callbacks import Checkpoint, WeightAveraging
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.environments import LightningEnvironment

from frozenvl.training.callbacks.averaging import average_trained_weights
from frozenvl.training.callbacks.cost import Cost
from frozenvl.training.callbacks.data_report import DataReport
from frozenvl.training.callbacks.history import History
from frozenvl.training.callbacks.perplexity import Perplexity
from frozenvl.training.callbacks.predictions import Predictions
from frozenvl.training.callbacks.progress import own_display
from frozenvl.training.callbacks.settings import LogSettings
from frozenvl.training.callbacks.tensorboard import PurgeTensorBoard
from frozenvl.training.callbacks.throughput import Speed
from frozenvl.training.checkpoint import (
    SafeCheckpointIO,
    SaveLast,
    check_resumable,
    model_checkpoints,
    read_checkpoint,
    settle,
    time_used_up,
)
from frozenvl.training.configuration import check_blocks, keys_of, refused, unknown_empty_key
from frozenvl.training.inputs import PrepareInputs
from frozenvl.training.launch import check_launch, launch
from frozenvl.training.run_folder import (
    CHECKPOINTS,
    checkpoints_elsewhere,
    in_folder,
    last_checkpoint,
    note_saved,
    refuse_taken,
    temporary_files,
)
from frozenvl.training.signals import Signals, StopAtStep
from frozenvl.training.steps import DueValidation
from frozenvl.training.trainer_options import as_list, check_options, one_line
from frozenvl.util.config_text import (
    protected_argument,
    restored,
    set_apart,
    with_escapes,
)
from frozenvl.util.errors import UserError
from frozenvl.util.files import write_atomically
from frozenvl.util.null_values import refuse_nulls
from frozenvl.util.parser_messages import refused_by_class, unknown_key

LEFT = ("checkpoints", "history.jsonl", "data_report.json", "curve.png", "cost.json", "evaluation")
"""Files and folders that a fit writes to its run's folder."""


class SaveConfig(SaveConfigCallback):
    """Saves the configuration of a fit as `config.yaml` in its run's folder. Other stages do not overwrite it."""

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if stage == "fit":
            super().setup(trainer, pl_module, stage)

    def save_config(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        path = Path(trainer.default_root_dir) / self.config_filename
        write_atomically(path, config_text(self.parser, self.config))


def config_text(parser: LightningArgumentParser, config: Namespace) -> str:
    """Returns a parsed configuration as YAML, from which the same is parsed again."""
    # Lightning's own `setup` would check the whole configuration a second time.
    return with_escapes(parser.dump(set_apart(config), skip_none=False, skip_validation=True))


@contextmanager
def printed_with_escapes() -> Iterator[None]:
    """Gives what `--print_config` prints its escapes back. Other output passes unchanged."""
    printed = StringIO()
    try:
        with redirect_stdout(printed):
            yield
    finally:
        sys.stdout.write(with_escapes(printed.getvalue()))


class FrozenCLI(LightningCLI):
    """LightningCLI with a folder per run, checkpoints that are safe to load, and errors in one line."""

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        return super().init_parser(**{**kwargs, "exit_on_error": False, "allow_abbrev": False})

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument(
            "--name", type=str, default="run", help="name of the run, whose folder is runs/<name>"
        )
        parser.add_argument(
            "--init_from",
            type=Path | None,
            help="checkpoint, run's folder or export whose trained weights to start from",
        )
        parser.add_argument(
            "--overwrite",
            type=bool,
            default=False,
            help="fit: delete an earlier run of this name",
        )
        parser.add_argument(
            "--resume",
            type=bool,
            default=False,
            help="fit: resume from the last checkpoint of this name; start anew if there is none",
        )
        parser.link_arguments("name", "trainer.default_root_dir", compute_fn=lambda name: f"runs/{name}")
        model = "model.init_args" if self.subclass_mode_model else "model"
        parser.link_arguments("init_from", f"{model}.init_from")
        parser.link_arguments("seed_everything", f"{model}.seed", compute_fn=int)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parses arguments.

        Raises:
            UserError: if the arguments are invalid; the message is one line.
        """
        of_command = next(iter(getattr(self, "_subcommand_parsers", {"": parser}).values()))
        check_blocks(args)
        try:
            with printed_with_escapes():
                super().parse_arguments(parser, [protected_argument(argument) for argument in args])
        except ArgumentError as error:
            raise refused(error, of_command, args) from error
        self.config = restored(self.config)
        subcommand = self.config.get("subcommand")
        config = self.config[subcommand] if subcommand else self.config
        if key := unknown_empty_key(args, config):
            raise unknown_key(key, keys_of(of_command))
        refuse_nulls(of_command, config)

    def _parse_ckpt_path(self) -> None:
        """Does nothing: checkpoints hold no hyper-parameters, and only `read_plain` may open them."""

    def _dump_config(self) -> None:
        """Stores the configuration for `save_hyperparameters`, without Lightning's second check of it.

        Parsed again, its literal `${` would be references.
        """
        if hasattr(self, "config_dump"):
            return
        options: dict[str, Any] = {"skip_link_targets": False, "skip_none": False, "skip_validation": True}
        content = restored(yaml.safe_load(self.parser.dump(set_apart(self.config), format="yaml", **options)))
        self.config_dump = content[self.subcommand] if self.subcommand else content

    def instantiate_classes(self) -> None:
        """Makes the model, the data and the Trainer.

        Raises:
            UserError: if a class refuses its arguments; the message is one line.
        """
        try:
            super().instantiate_classes()
        except ValueError as error:
            if line := refused_by_class(str(error)):
                raise UserError(line) from error
            raise

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        """Makes the Trainer with the callbacks, checkpoint IO and signal handlers of every run."""
        launch()  # before Lightning reads the same variables, since its errors are less clear
        config = self._get(self.config_init, "trainer", default={})
        root, named = config["default_root_dir"], [*as_list(config.get("callbacks"))]
        check_options(config)
        if config.get("logger") in (None, True) and not config.get("barebones"):
            kwargs["logger"] = TensorBoardLogger(root, name="", version="")
        checkpoint_io = SafeCheckpointIO()
        kwargs["plugins"] = [*as_list(config.get("plugins")), checkpoint_io]
        kwargs["use_distributed_sampler"] = False
        with one_line():
            trainer = super().instantiate_trainer(**kwargs)
        environment = getattr(trainer.strategy, "cluster_environment", None)
        check_launch(
            trainer.num_nodes, trainer.num_devices, by_itself=type(environment) is LightningEnvironment
        )
        signals = Signals(trainer)
        trainer._signal_connector = signals
        speed, validation = Speed(), DueValidation()
        due = lambda: validation.due
        self.prepare_inputs = PrepareInputs()
        kept = [self.prepare_inputs, PurgeTensorBoard(due), History(due), DataReport(due), validation, speed]
        kept += [Cost(speed), Perplexity(), Predictions(), LogSettings()]
        given = trainer.callbacks  # type: ignore[attr-defined]
        callbacks = kept + own_display(given, named)
        average_trained_weights(callbacks)
        callbacks.sort(key=lambda callback: isinstance(callback, Checkpoint))
        trainer.callbacks = [*callbacks, SaveLast(due, checkpoint_io), StopAtStep(signals)]  # type: ignore[attr-defined]
        settle(trainer, checkpoint_io)
        return trainer

    def _run_subcommand(self, subcommand: str) -> None:
        try:
            super()._run_subcommand(subcommand)
        finally:  # what refuses bad input before a fit comes before Lightning would do it
            self.trainer._signal_connector.teardown()

    def before_fit(self) -> None:
        """Resumes a run or starts a new one. Refuses to mix a new run with the files of an old one of its name."""
        self.trainer._signal_connector.register_signal_handlers()
        folder, resumed = Path(self.trainer.default_root_dir), self._get(self.config, "ckpt_path")
        left = [folder / name for name in LEFT if (folder / name).exists()]
        if self._get(self.config, "resume"):
            if resumed or self._get(self.config, "overwrite"):
                raise UserError(
                    "--resume true goes with neither --ckpt_path nor --overwrite true; choose one"
                )
            resumed = "last" if last_checkpoint(folder) else None
        self._note_checkpoint(resumed, "drop --ckpt_path to start anew, or give --resume true")
        recorded = checkpoints_elsewhere(folder)
        folders = [Path(callback.dirpath or "") for callback in model_checkpoints(self.trainer)]
        if self.prepare_inputs.checkpoint:
            self._check_resumed(folder, self.prepare_inputs.checkpoint, folders)
        if self.trainer.is_global_zero:  # left by a process that was killed while writing
            for path in (*folder.glob("checkpoints/.*.tmp"), *temporary_files(recorded)):
                path.unlink()
        if resumed:
            return
        if not self._get(self.config, "overwrite"):
            refuse_taken(folder, folders)
        if self.trainer.is_global_zero:
            for path in recorded:
                path.unlink(missing_ok=True)
            for path in (*left, *folder.glob("events.out.tfevents.*")):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        # Lightning itself would go on from any `last.ckpt` in a folder of checkpoints, if there is an
        # OnExceptionCheckpoint, and from an `hpc_ckpt` under Slurm.
        self.trainer._checkpoint_connector._parse_ckpt_path = lambda *_, **__: None  # type: ignore[method-assign]

    def after_fit(self) -> None:
        """Says where the run is, and how to see its scores."""
        if self.trainer.is_global_zero:
            folder = self.trainer.default_root_dir
            scored = any(Path(folder).glob("evaluation/*/score.json"))
            print(
                f"{folder}: step {self.trainer.global_step}"
                + (f"; frozenvl report {folder}" if scored else "")
            )

    def _check_resumed(self, run: Path, path: Path, folders: list[Path]) -> None:
        """Checks that a run can be resumed from a checkpoint in one of its folders, or elsewhere."""
        checkpoint = read_checkpoint(path, mmap=True)
        callbacks = self.trainer.callbacks  # type: ignore[attr-defined]
        check_resumable(
            checkpoint, path, any(isinstance(callback, WeightAveraging) for callback in callbacks)
        )
        if not self.trainer.is_global_zero:
            return
        if limit := time_used_up(checkpoint, self.trainer):
            spent = (
                f"frozenvl: the run has trained for trainer.max_time ({limit}), over all its jobs; raise it"
            )
            print(spent, file=sys.stderr)
        # Versions before the record: without it, the run could not write over its own file.
        own = checkpoint.get("run") in (None, str(run.absolute()))
        if own and path.resolve().parent in folders and not in_folder(run, path.parent):
            note_saved(run, path)

    def before_validate(self) -> None:
        """Notes the checkpoint to score. Warns if there is none."""
        self._note_checkpoint(self._get(self.config, "ckpt_path"), "name a checkpoint with --ckpt_path")
        if not self._get(self.config, "ckpt_path") and not self._get(self.config, "init_from"):
            print("frozenvl: no --ckpt_path: this scores a model that was not trained", file=sys.stderr)

    def _note_checkpoint(self, named: str | None, remedy: str) -> None:
        """Finds the run's checkpoint if `last` is named. Stores the path, so that `PrepareInputs` adopts its precision.

        Raises:
            UserError: if the run has no checkpoint; the message ends with the remedy.
        """
        if named == "last":
            folder = Path(self.trainer.default_root_dir)
            last = last_checkpoint(folder)
            if last is None:
                raise UserError(f"{folder / CHECKPOINTS}: no last.ckpt to go on from; {remedy}")
            named = self.config_init[self.subcommand]["ckpt_path"] = str(last)
        if named in ("best", "hpc"):
            raise UserError(f"--ckpt_path {named} is known to the process that trained alone; name the file")
        if named and named != "registry":
            self.prepare_inputs.checkpoint = Path(named)

    before_test = before_predict = before_validate
