"""Every option of Lightning's Trainer and every built-in callback once: it works, or one line says why not.

The two tables below are those of docs/reference/trainer_options.md.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import pytest
import torch
from fast_fit import losses
from lightning.pytorch import callbacks
from lightning.pytorch.plugins.precision import HalfPrecision
from lightning.pytorch.strategies import DDPStrategy, FSDPStrategy
from running import add, checkpoint, one_line

from frozenvl.training.trainer_options import check_options
from frozenvl.util.errors import UserError

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "trainer_options.md"


@dataclass(frozen=True)
class Case:
    """An option or a callback, tried once."""

    options: tuple[object, ...]
    """Command-line options of the fit."""
    refused: str = ""
    """Pattern of the line that refuses them; they work if there is none."""
    steps: int = 2
    """Number of optimiser steps of the fit."""
    same: bool = True
    """Whether the losses are those of a fit without these options."""
    saved: bool = True
    """Whether a checkpoint is left."""


def works(
    *options: object,
    steps: int = 2,
    same: bool = True,
    saved: bool = True,
    **of_trainer: object,
) -> Case:
    return Case((*options, *flags(of_trainer)), steps=steps, same=same, saved=saved)


def refused(pattern: str, *options: object, **of_trainer: object) -> Case:
    return Case((*options, *flags(of_trainer)), pattern)


def flags(of_trainer: dict[str, object]) -> list[object]:
    """Returns the command-line options that set options of the Trainer."""
    return [x for key, value in of_trainer.items() for x in (f"--trainer.{key}", value)]


def built_in(name: str, **settings: object) -> tuple[str, ...]:
    """Returns the options that add a callback of Lightning."""
    return tuple(map(str, add(f"lightning.pytorch.callbacks.{name}", **settings)))


ENDLESS = ("--trainer.max_steps", -1, "--trainer.max_epochs", -1)
EPOCHS = (
    "--trainer.max_steps",
    -1,
    "--trainer.check_val_every_n_epoch",
    1,
    "--trainer.val_check_interval",
    "1.0",
)
HALF = ("--data.batch_size", 60)
"""Batches of half of the training pairs: an epoch has two steps."""
TWO = {"min_steps": 2, "min_epochs": 0}
"""Least length of a run that a callback ends."""
AT_ONCE = built_in("Timer", duration="00:00:00:00", interval="step")
"""Callback that ends a run as soon as it may."""
SWA = built_in("StochasticWeightAveraging", swa_lrs=0.01, swa_epoch_start=1)
LINEAR = ("--model.schedule", "linear")
CSV = ("--trainer.logger", "lightning.pytorch.loggers.CSVLogger", "--trainer.logger.save_dir", "logs")
PRECISIONS = (
    *("bf16-true", "16-true", "64-true", "bf16-mixed", "16-mixed", "transformer-engine"),
    *("bf16", "16", "64"),
)

OPTIONS: dict[str, tuple[str, list[Case]]] = {
    "accelerator": ("`cpu`, `gpu`, `auto`", [works(accelerator="cpu")]),
    "strategy": (
        "`auto`, `ddp`, `ddp_fork`. Refused: `ddp_spawn`, whose processes cannot get the configuration; `fsdp`, "
        "`deepspeed` and `model_parallel`, which would shard and save the whole model (use `ddp` with `model.shard`)",
        [
            works(strategy="auto"),
            refused("trainer.strategy is ddp_spawn, .*; use ddp$", strategy="ddp_spawn"),
            refused("trainer.strategy is fsdp, .* with model.shard: true", strategy="fsdp"),
            refused("trainer.strategy is deepspeed_stage_2, .* use ddp", strategy="deepspeed_stage_2"),
            refused("^trainer: You selected an invalid strategy name", strategy="no_such"),
        ],
    ),
    "devices": ("number of processes per node", [works(devices=1)]),
    "num_nodes": (
        "number of nodes; torchrun or Slurm start their processes ([Clusters](../clusters.md))",
        [refused("num_nodes × trainer.devices is 2 × 1, but nothing starts", num_nodes=2)],
    ),
    "precision": (
        "refused unless it is `32-true`: `model.precision` decides, and is recorded "
        "([Precision](../concepts/precision.md))",
        [works(precision="32-true")]
        + [
            refused(rf"trainer.precision is {name}.*, but .* set model.precision", precision=name)
            for name in PRECISIONS
        ],
    ),
    "logger": (
        "by default TensorBoard in the run's folder; another by class path, or `false`",
        [
            works(logger="false"),
            works(*CSV),
        ],
    ),
    "callbacks": (
        "added to those of every run; Lightning's own are below",
        [works("--trainer.callbacks+=probes.Nothing")],
    ),
    "fast_dev_run": (
        "a trial of that many steps and validation batches, without a logger; give it a `--name` of its own",
        [works(fast_dev_run=2)],
    ),
    "max_epochs": (
        "number of epochs; an epoch is the whole number of steps nearest to one pass over the data",
        [works(*EPOCHS, *HALF, max_epochs=2, steps=4, same=False)],
    ),
    "min_epochs": (
        "number of epochs before a callback may end the run",
        [works(*EPOCHS, *HALF, *AT_ONCE, min_epochs=1, max_epochs=3, same=False)],
    ),
    "max_steps": (
        "number of optimiser steps; `-1`: epochs, `max_time` or a callback end the run",
        [works(max_steps=3, steps=3), works(max_steps=0, steps=0, saved=False)],
    ),
    "min_steps": (
        "number of optimiser steps before a callback may end the run; Lightning then asks for a whole epoch, too, "
        "unless `min_epochs` is 0",
        [works(*ENDLESS, *AT_ONCE, **TWO)],
    ),
    "max_time": (
        "time limit, over all jobs of a run together. Without `max_steps` or `max_epochs` it needs "
        "`model.schedule: constant`, since other schedules end at the last step",
        [
            works(*ENDLESS, max_time="00:00:00:00", **TWO),
            refused(
                "^model.schedule is linear, which needs to know the last step; give --trainer.max_steps",
                *LINEAR,
                max_steps=-1,
                max_time="00:00:01:00",
            ),
        ],
    ),
    "limit_train_batches": (
        "micro-batches per epoch on each rank, whole optimiser steps; the order of the pairs goes on in the next epoch",
        [
            works(*EPOCHS, limit_train_batches=1, max_epochs=2),
            refused(
                "^trainer.limit_train_batches lets an epoch end after 3 batches, in the middle of an optimiser step",
                limit_train_batches=3,
                accumulate_grad_batches=2,
            ),
            works(limit_train_batches=0, steps=0, saved=False),
        ],
    ),
    "limit_val_batches": (
        "validation batches, and queries of an evaluation: a number, or a share",
        [works(limit_val_batches="0.5"), works(limit_val_batches=0)],
    ),
    "limit_test_batches": (
        "as `limit_val_batches`, for `frozenvl test`",
        [works(limit_test_batches=1)],
    ),
    "limit_predict_batches": (
        "batches of each task, for `frozenvl predict`",
        [works(limit_predict_batches=1)],
    ),
    "overfit_batches": (
        "the first N micro-batches of each rank, the same in each epoch (whole optimiser steps); as many of validation",
        [
            works(overfit_batches=2),
            refused(
                "^trainer.overfit_batches lets an epoch end after 1 batches",
                overfit_batches=1,
                accumulate_grad_batches=2,
            ),
        ],
    ),
    "val_check_interval": (
        "micro-batches between validations, whole optimiser steps; a share of the epoch; or a time (on one rank, "
        "without accumulation)",
        [
            works(val_check_interval=1),
            works(*EPOCHS, *HALF, val_check_interval="0.5", max_epochs=1, same=False),
            works(val_check_interval="00:00:10:00"),
            refused(
                "^trainer.val_check_interval is 99 batches, an epoch has 15; lower it, or set trainer.check_val_every",
                val_check_interval=99,
                check_val_every_n_epoch=1,
            ),
        ],
    ),
    "check_val_every_n_epoch": (
        "epochs between validations; `null`: `val_check_interval` counts batches over all epochs",
        [
            works(*EPOCHS, *HALF, check_val_every_n_epoch=2, max_epochs=1, same=False),
            refused("^trainer: `val_check_interval` should be an integer", val_check_interval="1.0"),
        ],
    ),
    "num_sanity_val_steps": (
        "validation batches before training; they leave no score",
        [works(num_sanity_val_steps=1)],
    ),
    "log_every_n_steps": (
        "optimiser steps between logs; `0`: no training step is logged",
        [works(log_every_n_steps=2), works(log_every_n_steps=0)],
    ),
    "enable_checkpointing": (
        "`false` keeps no checkpoint; leave `ModelCheckpoint` out then",
        [
            works(callbacks="[]", enable_checkpointing="false", saved=False),
            refused(
                "^trainer: Trainer was configured with `enable_checkpointing=False`",
                enable_checkpointing="false",
            ),
        ],
    ),
    "enable_progress_bar": (
        "a line with optimiser steps, the time left, loss and speed; Lightning's bars where `callbacks` names one",
        [works(enable_progress_bar="true")],
    ),
    "enable_model_summary": (
        "a line on the trained and the frozen parts; Lightning's table where `callbacks` names one",
        [works(enable_model_summary="true")],
    ),
    "accumulate_grad_batches": (
        "micro-batches per optimiser step. They divide `data.batch_size`: the step's pairs and its loss stay the same",
        [works(accumulate_grad_batches=2)],
    ),
    "gradient_clip_val": (
        "limit of the gradient of the whole step",
        [works(gradient_clip_val="1e-3", same=False)],
    ),
    "gradient_clip_algorithm": (
        "`norm` or `value`",
        [
            works(
                gradient_clip_val="1e-3",
                gradient_clip_algorithm="value",
                same=False,
            )
        ],
    ),
    "deterministic": ("deterministic algorithms of torch", [works(deterministic="true")]),
    "benchmark": ("cuDNN's search for the fastest algorithm", [works(benchmark="true")]),
    "inference_mode": ("`false`: validation uses `no_grad`", [works(inference_mode="false")]),
    "use_distributed_sampler": (
        "has no effect: frozenvl distributes the pairs over the ranks itself",
        [works(use_distributed_sampler="true")],
    ),
    "profiler": ("`simple`, `advanced` or `pytorch`", [works(profiler="simple")]),
    "detect_anomaly": (
        "names the operation that gives NaN gradients; slow",
        [works(detect_anomaly="true")],
    ),
    "barebones": (
        "Lightning alone, to measure it: no logs, history or checkpoints. Options that ask for them are refused",
        [
            works(
                callbacks="[]",
                log_every_n_steps=0,
                barebones="true",
                saved=False,
            ),
            refused(
                "^trainer: `Trainer.barebones=True, log_every_n_steps=1.` was passed",
                barebones="true",
            ),
        ],
    ),
    "plugins": (
        "a cluster environment by class path. Refused: precision plugins (see `precision`) and checkpoint IO (frozenvl "
        "has its own)",
        [
            works(plugins="lightning.pytorch.plugins.environments.LightningEnvironment"),
            refused(
                "^trainer: Received multiple values for CheckpointIO",
                plugins="lightning.pytorch.plugins.io.TorchCheckpointIO",
            ),
        ],
    ),
    "sync_batchnorm": ("batch norm over all ranks, on GPUs", [works(sync_batchnorm="true")]),
    "reload_dataloaders_every_n_epochs": (
        "makes the loader anew; the pairs stay the same",
        [
            works(
                *EPOCHS,
                limit_train_batches=1,
                max_epochs=2,
                reload_dataloaders_every_n_epochs=1,
            )
        ],
    ),
    "default_root_dir": (
        "refused: `--name` sets the run's folder, `runs/NAME`",
        [refused("^trainer.default_root_dir is set by --name; give that", default_root_dir="elsewhere")],
    ),
    "enable_autolog_hparams": (
        "has no effect: `config.yaml` holds the configuration",
        [works(enable_autolog_hparams="false")],
    ),
    "model_registry": (
        "name in Lightning's model registry; needs its package",
        [works(model_registry="mine")],
    ),
}
"""Options of the Trainer → what each does here, and how it is tried."""

CALLBACKS: dict[str, tuple[str, list[Case]]] = {
    "BackboneFinetuning": (
        "refused: what is trained is fixed when a run starts; choose it by `model.tuning` and the encoder's "
        "`trainable`",
        [refused("no BackboneFinetuning here: what is trained is fixed", *built_in("BackboneFinetuning"))],
    ),
    "BaseFinetuning": (
        "refused, as `BackboneFinetuning`",
        [refused("no BaseFinetuning here", *built_in("BaseFinetuning"))],
    ),
    "BasePredictionWriter": (
        "base class; `frozenvl predict` writes `predictions.jsonl` without it",
        [works(*built_in("BasePredictionWriter", write_interval="epoch"))],
    ),
    "BatchSizeFinder": (
        "refused: `data.batch_size` is part of the experiment; `frozenvl plan` forecasts memory, and "
        "`trainer.accumulate_grad_batches` saves it",
        [refused("no BatchSizeFinder here: data.batch_size is", *built_in("BatchSizeFinder"))],
    ),
    "Callback": ("base class", [works(*built_in("Callback"))]),
    "Checkpoint": ("base class", [works(*built_in("Checkpoint"))]),
    "DeviceStatsMonitor": ("logs the device's memory and load", [works(*built_in("DeviceStatsMonitor"))]),
    "EMAWeightAveraging": (
        "a moving average of the trained weights",
        [works(*built_in("EMAWeightAveraging", decay=0.9))],
    ),
    "EarlyStopping": (
        "ends the run when a logged value no longer improves",
        [
            works(*built_in("EarlyStopping", monitor="val/loss", min_delta=9, patience=1), *ENDLESS, steps=4),
            refused(
                "^model.schedule is linear, which needs to know the last step",
                *(*built_in("EarlyStopping", monitor="val/loss"), *ENDLESS, *LINEAR),
            ),
        ],
    ),
    "GradientAccumulationScheduler": (
        "refused: an optimiser step has `data.batch_size` pairs however it is divided",
        [
            refused(
                "no GradientAccumulationScheduler here: an optimiser step has data.batch_size pairs",
                *built_in("GradientAccumulationScheduler", scheduling='{"0": 2}'),
            )
        ],
    ),
    "LambdaCallback": (
        "functions by import path at any hook",
        [works(*built_in("LambdaCallback", on_train_start="probes.nothing"))],
    ),
    "LearningRateFinder": (
        "refused: its trial steps would count; compare learning rates with `frozenvl sweep`",
        [refused("no LearningRateFinder here: its trial steps", *built_in("LearningRateFinder"))],
    ),
    "LearningRateMonitor": (
        "logs the learning rate of each part (`train/lr` is always logged)",
        [works(*built_in("LearningRateMonitor"))],
    ),
    "ModelCheckpoint": (
        "keeps checkpoints of the trained weights; with `save_last`, a stopped run goes on by `--resume true`",
        [works(*built_in("ModelCheckpoint", monitor="val/loss", save_top_k=1))],
    ),
    "ModelPruning": (
        "refused: it prunes frozen weights, too, which checkpoints do not hold",
        [
            refused(
                "no ModelPruning here: it prunes frozen weights",
                *built_in("ModelPruning", pruning_fn="l1_unstructured"),
            )
        ],
    ),
    "ModelSummary": ("a table of the model's parts", [works(*built_in("ModelSummary", max_depth=2))]),
    "OnExceptionCheckpoint": (
        "saves when the run fails; a resume from the file repeats the unfinished step",
        [works(*built_in("OnExceptionCheckpoint", dirpath="failed"))],
    ),
    "ProgressBar": (
        "base class; refused while `enable_progress_bar` is false",
        [
            refused(
                "^trainer: Trainer was configured with `enable_progress_bar=False`", *built_in("ProgressBar")
            )
        ],
    ),
    "RichModelSummary": ("a table of the model's parts", [works(*built_in("RichModelSummary"))]),
    "RichProgressBar": (
        "a progress bar",
        [works(*built_in("RichProgressBar"), enable_progress_bar="true")],
    ),
    "SpikeDetection": ("ends the run where the loss jumps", [works(*built_in("SpikeDetection"))]),
    "StochasticWeightAveraging": (
        "an average of the trained weights over epochs; not of a trained encoder with batch norm",
        [
            works(*SWA, limit_train_batches=1, same=False),
            works(*SWA, *EPOCHS, max_epochs=2, limit_train_batches=1, same=False),
        ],
    ),
    "TQDMProgressBar": (
        "a progress bar",
        [works(*built_in("TQDMProgressBar"), enable_progress_bar="true")],
    ),
    "ThroughputMonitor": (
        "logs batches and samples per second (`speed/…` is always logged)",
        [works(*built_in("ThroughputMonitor", batch_size_fn="probes.pairs"))],
    ),
    "Timer": (
        "as `max_time`",
        [works(*AT_ONCE, *ENDLESS, **TWO), works(*built_in("Timer", duration="00:00:10:00"))],
    ),
    "WeightAveraging": (
        "an average of the trained weights",
        [works(*built_in("WeightAveraging"))],
    ),
}
"""Built-in callbacks of Lightning → what each does here, and how it is tried."""


@pytest.fixture(scope="module")
def plain(fits, tmp_path_factory) -> list[float]:
    """Losses of the first four steps without further options."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("plain"))
        fits("--trainer.max_steps", 4)
        return losses()


@pytest.fixture(autouse=True)
def global_settings():
    """Restores what options set for the whole process."""
    deterministic, benchmark = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    yield
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.benchmark = benchmark


def cases() -> list:
    tables = {"option": OPTIONS, "callback": CALLBACKS}
    return [
        pytest.param(case, id=f"{kind}-{name}-{number}")
        for kind, table in tables.items()
        for name, (_, tried) in table.items()
        for number, case in enumerate(tried)
    ]


def test_every_option_and_callback_of_lightning_is_in_the_tables():
    options = inspect.signature(L.Trainer.__init__).parameters.keys() - {"self"}
    kinds = {
        name
        for name, kind in vars(callbacks).items()
        if isinstance(kind, type) and issubclass(kind, callbacks.Callback)
    }
    assert OPTIONS.keys() == options
    assert CALLBACKS.keys() == kinds
    assert all(tried for _, tried in (OPTIONS | CALLBACKS).values())


@pytest.mark.parametrize("case", cases())
def test_it_works_or_one_line_refuses_it(fits, plain, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    if case.refused:
        with pytest.raises(UserError, match=case.refused) as error:
            fits(*case.options)
        assert "\n" not in str(error.value) and len(str(error.value)) <= 450
        assert not list(tmp_path.rglob("*.ckpt")) and not list(tmp_path.rglob("history.jsonl"))
        return
    trainer = fits(*case.options).trainer
    assert trainer.global_step == case.steps
    saved = list(tmp_path.rglob("last.ckpt"))
    assert bool(saved) == case.saved
    for file in saved:
        content = torch.load(file, weights_only=True)
        assert content["global_step"] == case.steps and content["frozenvl"]["precision"] == "fp32"
        assert all(key.startswith("model.mapper.") for key in content["state_dict"])
    if case.same and Path("runs/tiny/history.jsonl").exists() and trainer.log_every_n_steps == 1:
        assert losses() == pytest.approx(plain[: case.steps], rel=1e-5)


@pytest.mark.parametrize(("heading", "table"), [("Options", OPTIONS), ("Callbacks", CALLBACKS)])
def test_the_page_holds_the_tables(heading, table):
    text = PAGE.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.MULTILINE))
    assert rows == {name: does for name, (does, _) in table.items()}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"plugins": HalfPrecision("bf16-true")}, "trainer.precision is HalfPrecision"),
        ({"plugins": [HalfPrecision("16-true")]}, "trainer.precision is HalfPrecision"),
        (
            {"strategy": DDPStrategy(start_method="spawn")},
            "trainer.strategy is DDPStrategy, whose new processes",
        ),
        ({"strategy": FSDPStrategy()}, "trainer.strategy is FSDPStrategy, which would shard"),
        (
            {"strategy": DDPStrategy(precision_plugin=HalfPrecision("bf16-true"))},
            "trainer.precision is HalfPrec",
        ),
        ({"callbacks": callbacks.BatchSizeFinder()}, "no BatchSizeFinder here"),
        ({"callbacks": [type("Mine", (callbacks.BackboneFinetuning,), {})()]}, "no Mine here"),
    ],
    ids=["plugin", "plugins", "spawn", "fsdp", "in a strategy", "callback", "subclass"],
)
def test_objects_are_refused_as_their_names_are(options, message):
    with pytest.raises(UserError, match=message):
        check_options(options)


def test_nothing_is_lost_by_an_option_that_is_refused(frozenvl, capfd):
    """A command that would overwrite a finished run ends before it does."""
    assert frozenvl("fit", "--trainer.limit_val_batches", 0) == 0
    for key, value in {"precision": "bf16-mixed", "strategy": "ddp_spawn"}.items():
        capfd.readouterr()
        assert frozenvl("fit", "--overwrite", "true", f"--trainer.{key}", value) == 2
        assert f"trainer.{key} is {value}" in one_line(capfd.readouterr().err)
        assert checkpoint("tiny")["global_step"] == 6
