"""Data loaders of training and evaluation. Workers read and collate; what they may not do, the main process does."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from frozenvl.model.vision.feature_cache import MissingFeatures


class Batches(list[list[int]]):
    """List of batches of indices, with a `__dict__`, which Lightning's predict loop requires."""


class Uncollated:
    """Indices that a worker hands back, because features of their images are still to be computed.

    Args:
        indices: what the collate function was given.
    """

    def __init__(self, indices: Any) -> None:
        self.indices = indices


class CollateIfStored:
    """Collate function of workers: returns the batch, or its indices if features of an image are not stored yet.

    Args:
        collate: function from the indices of a batch to the batch.
    """

    def __init__(self, collate: Callable[[Any], Any]) -> None:
        self.collate = collate

    def __call__(self, indices: Any) -> Any:
        try:
            return self.collate(indices)
        except MissingFeatures:
            return Uncollated(indices)


class Indices:
    """Dataset that returns the requested indices unchanged: the collate function reads the samples."""

    def __getitem__(self, indices: Any) -> Any:
        return indices


class Loader(DataLoader):
    """DataLoader whose batches are collated from their indices, by workers as far as features are stored.

    Args:
        dataset: dataset that returns indices unchanged, such as a range.
        collate_fn: function from the indices of a batch to the batch.
        options: other options of DataLoader.
    """

    def __init__(self, dataset: Any, collate_fn: Callable[[Any], Any], **options: Any) -> None:
        # Lightning makes a loader of predictions anew from the attributes of the first one.
        if not isinstance(collate_fn, CollateIfStored):
            collate_fn = CollateIfStored(collate_fn)
        self.collate = collate_fn.collate
        super().__init__(dataset, collate_fn=collate_fn, **options)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        for batch in super().__iter__():
            yield self.collate(batch.indices) if isinstance(batch, Uncollated) else batch


class StepLoader(Loader):
    """Loader of whole optimiser steps that yields their micro-batches; times the waits.

    Args:
        dataset: `Indices`.
        collate_fn: function from the indices of a step's micro-batches to the micro-batches.
        accumulated: number of micro-batches per step.
        options: other options of DataLoader.
    """

    waited = 0.0
    """Seconds spent waiting for batches since the loader was made."""

    def __init__(
        self, dataset: Any, collate_fn: Callable[[Any], Any], accumulated: int, **options: Any
    ) -> None:
        super().__init__(dataset, collate_fn, **options)
        self.accumulated = accumulated

    def __len__(self) -> int:
        """Number of micro-batches per epoch, which is what Lightning counts."""
        return super().__len__() * self.accumulated

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        start = time.perf_counter()
        for step in super().__iter__():
            self.waited += time.perf_counter() - start
            yield from step
            start = time.perf_counter()


def reads_only(_worker: int) -> None:
    """Initialises a data loader worker: one torch thread, and no reaction to signals sent to the process group.

    After a signal from a scheduler or Ctrl-C the run still trains to its next checkpoint, and needs its workers.
    A second SIGTERM, such as the loader's own, ends a worker.
    """
    torch.set_num_threads(1)
    for number in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: signal.signal(signal.SIGTERM, signal.SIG_DFL))


def end_readers() -> None:
    """Kills the workers of unfinished loaders when a process ends: they ignore its one SIGTERM, and it would hang."""
    for child in multiprocessing.active_children():
        if child.daemon:
            child.kill()
