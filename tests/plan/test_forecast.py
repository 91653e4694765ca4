"""Forecast of memory and time of a fit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from frozenvl.plan.forecast import Device, Forecast, Row, Weights, positions
from frozenvl.plan.trace import Step
from frozenvl.util.errors import UserError


def test_a_pass_takes_at_least_the_time_to_read_all_weights_twice():
    device = Device(bandwidth=1.0, peak=1000.0, share=0.5, memory_bandwidth=100.0)
    assert device.seconds(operations=1e6, weights=1) == 2000
    assert device.seconds(operations=1.0, weights=1000) == 20


@pytest.fixture
def forecast(planned):
    """Function that makes a forecast for a device of given speed, so that nothing is measured."""
    return lambda *options: Forecast(planned(*options), Device(bandwidth=1e9, peak=1e9, share=0.5))


def test_memory_of_weights_equals_that_of_the_model_in_training(forecast):
    made = forecast("--model.tuning", "frozenvl.model.tuning.LoRA")
    model = made.planned.module().model
    trained = sum(w.nbytes for w in model.parameters() if w.requires_grad)
    frozen = sum(w.nbytes for w in model.parameters()) + sum(b.nbytes for b in model.buffers()) - trained
    weights = made.weights
    assert (weights.trained, weights.frozen) == (trained, frozen)
    first, second = (
        sum(w.nbytes for w in layer.parameters() if not w.requires_grad) for layer in model.language.layers
    )
    assert (weights.layer, weights.layers) == (first, first + second)


def test_quantised_layers_are_smaller(forecast):
    plain, small = (
        forecast("--model.precision", "bf16"),
        forecast("--model.precision", "bf16", "--model.quantization", "nf4"),
    )
    body, _ = plain.outline.model.language.weights
    assert plain.weights.frozen - small.weights.frozen == (2 - 0.5) * body
    assert plain.weights.layer - small.weights.layer == (2 - 0.5) * body / 2
    assert plain.loading == small.loading  # the model is loaded in fp32


def test_each_strategy_has_a_row_and_a_single_device_one(forecast):
    made = forecast()
    assert [(row.strategy, row.devices) for row in made.rows(2)] == [("DDP", 2), ("FSDP", 2)]
    (one,) = made.rows(1)
    assert (one.strategy, one.process, made.measured) == ("DDP", 0, 0)
    batches = sorted(made.planned.batches(8), key=positions)
    usual, longest = (made.outline.step(batch) for batch in (batches[len(batches) // 2], batches[-1]))
    assert one.computing == pytest.approx(usual.operations / (1e9 * 0.5))
    assert one.working == longest.working


def test_a_batch_that_cannot_be_divided_among_devices_is_refused(forecast):
    made = forecast("--trainer.accumulate_grad_batches", "3")
    assert made.rows(2)
    with pytest.raises(UserError, match=r"data.batch_size is 8, .* 3 devices × 3 .*: --data.batch_size 9"):
        made.rows(3)


def test_mean_positions_and_targets_of_a_pair(planned):
    made = Forecast(planned(tokens=5), Device(bandwidth=1e9, peak=1e9))
    made.rows(1)
    assert (made.positions, made.targets) == (2 + 5 - 1, 5)


WEIGHTS = Weights(frozen=8000, trained=400, state=800, layer=2000, layers=6000)


class Fixed(Forecast):
    """Forecast of a fit of 64 pairs a step whose weights are known."""

    def __init__(self, accumulated: int, bandwidth: float, weights: Weights) -> None:
        self.planned: Any = SimpleNamespace(batch_size=64, accumulated=accumulated, steps=3600)
        self.device, self.weights, self.process = Device(bandwidth), weights, 0.0


def row(strategy, devices, accumulated=1, bandwidth=100.0, weights=WEIGHTS) -> Row:
    step = Step(operations=1e6, seconds=2.0, working=500)
    return Fixed(accumulated, bandwidth, weights).row(strategy, devices, step)


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
    small = Weights(frozen=100, trained=0, state=0, layer=90, layers=90)
    assert row("FSDP", 2, weights=small).gathered == 45


def test_accumulation_repeats_passes():
    assert row("DDP", 2, accumulated=3).computing == 6.0
    assert row("DDP", 2, accumulated=3).operations == 3e6
