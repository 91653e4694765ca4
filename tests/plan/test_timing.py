"""Time of a step, extrapolated from models with fewer layers."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig

from frozenvl.plan import timing
from frozenvl.plan.timing import Pieces, drawn, enough, reading

LAYERS = 6


@pytest.fixture
def deep(planned, tmp_path):
    """Plan with a language model of six layers, and a clock that layers, blocks of fusions and images advance."""
    LlamaConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        vocab_size=99,
    ).save_pretrained(tmp_path / "language")
    it = planned("--model.language", str(tmp_path / "language"))
    now, make = [0.0], it.module

    def module(layers: int | None = None):
        made = make(layers)
        tick = lambda seconds: lambda *_: now.__setitem__(0, now[0] + seconds)
        for layer in made.model.language.layers:
            layer.register_forward_hook(tick(3.0))
        made.model.mapper.register_forward_hook(tick(5.0))
        for block in getattr(made.model.fusion, "blocks", {}).values():
            block.register_forward_hook(tick(2.0))
        return made

    it.module = module
    return it, lambda: now[0]


@pytest.mark.parametrize("some", [1, 3, 99])
def test_the_time_of_all_layers_is_extrapolated_from_the_measured_ones(deep, monkeypatch, some):
    planned, clock = deep
    monkeypatch.setattr(timing, "enough", lambda *_: some)
    pieces = Pieces(planned, planned.batches(4)[0], clock)
    assert pieces.some == min(some, LAYERS) and pieces.took[0] == []  # the first round is not counted
    for _ in range(2):
        pieces.turn()
    assert pieces.took[0] == [5.0 + 3.0] * 2 and pieces.took[-1] == [5.0 + 3.0 * pieces.some] * 2
    assert pieces.seconds == (5.0 + 3.0 * LAYERS if some > 1 else 5.0 + 3.0)


@pytest.mark.parametrize(("every", "measured", "blocks"), [(1, 2, 6), (2, 3, 3), (4, 5, 2), (6, 2, 1)])
def test_blocks_of_a_fusion_are_extrapolated_with_the_layers_between_them(
    deep, monkeypatch, every, measured, blocks
):
    planned, clock = deep
    planned.settings["fusion"] = {
        "class_path": "frozenvl.model.fusion.CrossAttention",
        "init_args": {"every": every, "heads": 2, "width": 8},
    }
    monkeypatch.setattr(timing, "enough", lambda *_: 2)
    pieces = Pieces(planned, planned.batches(4)[0], clock)
    assert pieces.some == measured
    pieces.turn()
    assert abs(pieces.seconds - (5.0 + 3.0 * LAYERS + 2.0 * blocks)) < 2.0  # less than a block


def test_layers_that_a_fusion_names_beyond_the_measured_ones_are_left_out(deep, monkeypatch):
    planned, clock = deep
    planned.settings["fusion"] = {
        "class_path": "frozenvl.model.fusion.Add",
        "init_args": {"layers": [5, 0, 2, 4]},
    }
    monkeypatch.setattr(timing, "enough", lambda *_: 3)
    Pieces(planned, planned.batches(4)[0], clock).turn()
    assert planned.module(3).model.fusion.layers == [0, 2] and planned.module(1).model.fusion.layers == [0]
    assert planned.module().model.fusion.layers == [5, 0, 2, 4]


def test_a_slow_round_does_not_count(deep, monkeypatch):
    planned, clock = deep
    monkeypatch.setattr(timing, "enough", lambda *_: 2)
    pieces = Pieces(planned, planned.batches(4)[0], clock)
    pieces.took = [[8.0, 80.0, 8.0], [11.0, 11.0, 110.0]]
    assert pieces.seconds == 8.0 + 3.0 * (LAYERS - 1)


def test_enough_layers_are_measured_to_outweigh_the_head(deep):
    planned, _ = deep
    few, many = (enough(planned.outlined, planned.batches(size)[0]) for size in (1, 8))
    assert few == many >= 2  # a ratio, which does not depend on the number of pairs
    body, head = planned.outlined.model.language.weights
    batch = planned.batches(4)[0]
    layer = body / LAYERS * int(batch.lengths.sum())
    around = head * int((batch.labels >= 0).sum())
    assert (enough(planned.outlined, batch) - 1) * layer >= 2 * around


def test_fake_images_are_replaced_by_random_ones():
    with torch.device("meta"):
        pixels, features = torch.empty(9, 3, 8, 8, dtype=torch.uint8), torch.empty(2, 3, dtype=torch.bfloat16)
    found = drawn(pixels)
    assert found.dtype == torch.uint8 and found.shape == pixels.shape and len(found.unique()) > 200
    assert drawn(features).dtype == torch.bfloat16 and drawn(features).device.type == "cpu"


def test_a_step_is_measured_on_this_machine(planned):
    it = planned()
    pieces = Pieces(it, it.batches(4)[0])
    pieces.turn()
    assert pieces.seconds > 0 and 1 <= pieces.some <= 2


def test_reading_time_is_the_median_of_three_measurements(planned):
    ticks = iter([0.0, 2.0, 10.0, 13.0, 20.0, 29.0])
    assert reading(planned(), 4, lambda: next(ticks)) == 3.0
    assert reading(planned(tokens=5), 4) == 0.0  # without data
