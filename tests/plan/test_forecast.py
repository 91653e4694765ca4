"""Forecast of memory and time of a fit."""

from __future__ import annotations

import pytest

from frozenvl.plan.forecast import Device, Forecast, lengths, positions
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
    assert (weights.trained, weights.gradients, weights.frozen) == (trained, trained, frozen)
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
    it = planned()
    it.tokens = 5
    assert lengths(it.batches(8)) == (2 + 5 - 1, 5)
