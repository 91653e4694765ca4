"""Memory and time on several devices, derived from one device."""

from __future__ import annotations

import pytest

from frozenvl.plan.parallelism import Micro, Weights, plan

WEIGHTS = Weights(frozen=8000, trained=400, gradients=400, state=800, layer=2000, layers=6000)
MICRO = Micro(operations=1e6, seconds=2.0, working=500)


def row(strategy, devices, accumulated=1, bandwidth=100.0):
    return plan(strategy, devices, 64, accumulated, WEIGHTS, MICRO, bandwidth, steps=3600)


def test_one_device_does_not_communicate_with_any_strategy():
    ddp, fsdp = row("DDP", 1), row("FSDP", 1)
    assert ddp.memory == fsdp.memory == 8000 + 400 + 400 + 800 + 500
    assert ddp.communicating == fsdp.communicating == ddp.share == 0
    assert (ddp.seconds, ddp.rate, ddp.hours) == (2.0, 32.0, 2.0)


def test_ddp_all_reduces_the_gradients_of_trained_weights_once_per_step():
    two, four = row("DDP", 2), row("DDP", 4)
    assert two.memory == four.memory == row("DDP", 1).memory
    assert two.communicating == 2 * 400 * (1 / 2) / 100
    assert four.communicating == 2 * 400 * (3 / 4) / 100
    assert row("DDP", 4, accumulated=5).communicating == four.communicating  # once per step


def test_fsdp_shards_frozen_layers_and_gathers_them_twice_per_pass():
    four, ring = row("FSDP", 4), 2 * 400 * 3 / 4
    assert (four.frozen, four.trained) == (2000 + 6000 / 4, 1600)
    assert four.gathered == 2 * 2000 * 3 / 4  # two layers, without its own shard
    assert four.communicating == pytest.approx((ring + 2 * 6000 * 3 / 4) / 100)
    assert row("FSDP", 4, accumulated=2).communicating == pytest.approx((ring + 4 * 6000 * 3 / 4) / 100)
    assert four.memory < row("DDP", 4).memory


def test_gathered_memory_is_at_most_that_of_all_layers():
    small = Weights(frozen=100, trained=0, gradients=0, state=0, layer=90, layers=90)
    assert plan("FSDP", 2, 2, 1, small, MICRO, 1.0).gathered == 45


def test_accumulation_repeats_passes():
    assert row("DDP", 2, accumulated=3).computing == 6.0
    assert row("DDP", 2, accumulated=3).operations == 3e6
