"""Data loaders whose workers hand back what they may not do."""

from __future__ import annotations

import os

import pytest
from torch.utils.data import get_worker_info

from frozenvl.model.vision.feature_cache import MissingFeatures
from frozenvl.training.loaders import CollateIfStored, Indices, Loader, StepLoader, Uncollated, reads_only

STEPS = [[[0, 1], [2]], [[3], [4, 5]], [[6], [7]]]


def collate(step: list[list[int]]) -> list[tuple[list[int], int]]:
    """Returns the micro-batches of a step with the process that made them. Workers cannot make the second step."""
    if step == STEPS[1] and get_worker_info() is not None:
        raise MissingFeatures
    return [(micro, os.getpid()) for micro in step]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_that_workers_hand_back_are_collated_in_their_turn_by_the_main_process(workers):
    loader = StepLoader(
        Indices(), collate, accumulated=2, batch_sampler=STEPS, num_workers=workers, worker_init_fn=reads_only
    )
    batches = list(loader)
    assert [indices for indices, _ in batches] == [micro for step in STEPS for micro in step]
    here = [process == os.getpid() for _, process in batches]
    assert here == ([False, False, True, True, False, False] if workers else [True] * 6)
    assert len(loader) == 6 and loader.waited > 0


def test_a_loader_made_anew_from_the_attributes_of_another_collates_once():
    loader = Loader(range(3), lambda indices: sum(indices), batch_sampler=[[0, 1], [2]])
    again = Loader(loader.dataset, loader.collate_fn, batch_sampler=loader.batch_sampler)
    assert list(again) == list(loader) == [1, 2] and again.collate_fn is loader.collate_fn


def test_missing_features_outside_of_a_loader_give_the_indices():
    tries = CollateIfStored(lambda indices: (_ for _ in ()).throw(MissingFeatures))
    assert isinstance(tries([1]), Uncollated) and tries([1]).indices == [1]
