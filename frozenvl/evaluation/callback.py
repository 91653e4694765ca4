"""Benchmarks as Lightning callbacks, evaluated at the end of each validation and test."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from pathlib import Path
from typing import Any

import lightning as L

from frozenvl.evaluation import benchmarks
from frozenvl.evaluation.benchmark import Benchmark
from frozenvl.evaluation.preflight import check, refuse_twins
from frozenvl.evaluation.provenance import of_loop
from frozenvl.evaluation.runner import evaluate
from frozenvl.evaluation.session import Session
from frozenvl.training.datamodule import FrozenData
from frozenvl.training.module import FrozenModule
from frozenvl.util.errors import UserError


class InLoop(L.Callback):
    """Evaluates a benchmark at the end of each validation and test, and checks it when training starts."""

    benchmark: Benchmark

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, FrozenData) or not isinstance(pl_module, FrozenModule):
            raise UserError(f"{type(self.benchmark).__name__} evaluates a FrozenModule on FrozenData")
        self.benchmark.bind(data.train, data.val)
        refuse_twins(in_loop(trainer))

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        session = session_of(trainer, pl_module)
        self.benchmark.prepare(session.rank == 0)
        for setting in self.benchmark.settings():
            check(self.benchmark, setting, session)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.sanity_checking:
            self.on_test_epoch_end(trainer, pl_module)

    def on_test_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        session = session_of(trainer, pl_module)
        self.benchmark.prepare(session.rank == 0)
        for setting in self.benchmark.settings():
            evaluate(self.benchmark, setting, session)


class Evaluate(InLoop):
    """Evaluates a custom benchmark at the end of each validation and test.

    Args:
        benchmark: benchmark to evaluate, given by class path.
        name: name of its folders, report rows and logged scores; by default the benchmark's name or protocol.
    """

    def __init__(self, benchmark: Benchmark, name: str = "") -> None:
        self.benchmark = benchmark
        benchmark.name = name or benchmark.name or benchmark.protocol


class _BenchmarkCallback(InLoop):
    """Callback that is also the benchmark it evaluates."""

    @property
    def benchmark(self) -> Benchmark:  # type: ignore[override]
        assert isinstance(self, Benchmark)
        return self


class Captions(_BenchmarkCallback, benchmarks.Captions):
    __doc__ = benchmarks.Captions.__doc__


class Completeness(_BenchmarkCallback, benchmarks.Completeness):
    __doc__ = benchmarks.Completeness.__doc__


class Deletion(_BenchmarkCallback, benchmarks.Deletion):
    __doc__ = benchmarks.Deletion.__doc__


class DialogueGeneration(_BenchmarkCallback, benchmarks.DialogueGeneration):
    __doc__ = benchmarks.DialogueGeneration.__doc__


class DialogueRanking(_BenchmarkCallback, benchmarks.DialogueRanking):
    __doc__ = benchmarks.DialogueRanking.__doc__


class Drawing(_BenchmarkCallback, benchmarks.Drawing):
    __doc__ = benchmarks.Drawing.__doc__


class FewShotVQA(_BenchmarkCallback, benchmarks.FewShotVQA):
    __doc__ = benchmarks.FewShotVQA.__doc__


class Matching(_BenchmarkCallback, benchmarks.Matching):
    __doc__ = benchmarks.Matching.__doc__


class Naming(_BenchmarkCallback, benchmarks.Naming):
    __doc__ = benchmarks.Naming.__doc__


class ObjectCaptions(_BenchmarkCallback, benchmarks.ObjectCaptions):
    __doc__ = benchmarks.ObjectCaptions.__doc__


class PointingGame(_BenchmarkCallback, benchmarks.PointingGame):
    __doc__ = benchmarks.PointingGame.__doc__


class Randomisation(_BenchmarkCallback, benchmarks.Randomisation):
    __doc__ = benchmarks.Randomisation.__doc__


class Reconstruction(_BenchmarkCallback, benchmarks.Reconstruction):
    __doc__ = benchmarks.Reconstruction.__doc__


class Retrieval(_BenchmarkCallback, benchmarks.Retrieval):
    __doc__ = benchmarks.Retrieval.__doc__


class Tagging(_BenchmarkCallback, benchmarks.Tagging):
    __doc__ = benchmarks.Tagging.__doc__


class ZeroShot(_BenchmarkCallback, benchmarks.ZeroShot):
    __doc__ = benchmarks.ZeroShot.__doc__


class EpisodeVQA(_BenchmarkCallback, benchmarks.EpisodeVQA):
    __doc__ = benchmarks.EpisodeVQA.__doc__


def in_loop(trainer: L.Trainer) -> Iterator[Benchmark]:
    """Returns the benchmarks among a trainer's callbacks."""
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    return (callback.benchmark for callback in callbacks if isinstance(callback, InLoop))


def session_of(trainer: Any, module: Any) -> Session:
    """Returns the session of a Lightning validation or test."""
    data = trainer.datamodule
    return Session(
        model=module.model,
        plain=copy(module.processor),
        folder=Path(trainer.default_root_dir) / "evaluation",
        provenance=of_loop(module, data),
        step=trainer.global_step or module.trained_steps,
        batch_size=data.eval_batch_size,
        see=data.see,
        limit=trainer.limit_test_batches if trainer.testing else trainer.limit_val_batches,
        rank=trainer.global_rank,
        world_size=trainer.world_size,
        log=module.log,
        loggers=trainer.loggers,
    )
