"""Cost of a fit in `cost.json`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from running import add, checkpoint

from frozenvl.data.stream import TrainingStream
from frozenvl.training.callbacks.cost import Cost, most
from frozenvl.training.callbacks.throughput import Speed

BRIEF = ("--trainer.limit_val_batches", 0)


def cost(run: str | Path = "tiny") -> dict[str, Any]:
    return json.loads((Path("runs") / run / "cost.json").read_text())


def test_cost_of_a_fit(tiny_run):
    """The fit has 6 steps of 8 pairs and trains only the mapper."""
    took = cost(tiny_run)
    weights = torch.load(tiny_run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert took["pairs"] == 48
    mapper = [value for key, value in weights.items() if key.startswith("model.mapper.")]
    assert took["trained_parameters"] == sum(value.numel() for value in mapper)
    assert 0.1 < took["peak_memory_gb"] < 64 and "gpu_peak_memory_gb" not in took
    assert 0 < took["minutes"] < 10


def test_pairs_per_second_are_those_of_the_median_step(frozenvl, monkeypatch):
    """The first two of five steps are slow; validation does not count."""
    attempt, asked = TrainingStream.attempt, []

    def slow_at_first(self, position: int, which: int):
        asked.append(position)
        time.sleep(0.1 if len(asked) <= 16 else 0)
        return attempt(self, position, which)

    monkeypatch.setattr(TrainingStream, "attempt", slow_at_first)
    assert frozenvl("fit", "--trainer.max_steps", 5, "--trainer.val_check_interval", 1) == 0
    took = cost()
    assert took["pairs"] == 40 and took["minutes"] * 60 > 1.6
    assert took["pairs_per_second"] > 8 / 0.4


@pytest.mark.parametrize("ranks", [1, 2])
def test_accumulation_and_ranks_change_only_time(frozenvl, ranks):
    cut = ("--trainer.accumulate_grad_batches", 2, "--trainer.val_check_interval", 4)
    assert frozenvl("fit", *BRIEF, *cut, ranks=ranks) == 0
    assert cost()["pairs"] == 48


def test_a_resumed_fit_adds_to_its_cost(frozenvl):
    assert frozenvl("fit", *BRIEF, *add("probes.StopAt", step=5)) == 1  # after the checkpoint of step 4
    assert not Path("runs/tiny/cost.json").exists()
    kept = checkpoint("tiny")
    (state,) = (value for key, value in kept["callbacks"].items() if key.startswith("Cost"))
    assert (state["pairs"], len(state["steps"])) == (32, 4)
    state["seconds"], state["memory"] = 600.0, {"peak_memory_gb": 999.0}
    torch.save(kept, "runs/tiny/checkpoints/last.ckpt")
    assert frozenvl("fit", *BRIEF, "--ckpt_path", "last") == 0
    took = cost()
    assert took["pairs"] == 48
    assert 10 < took["minutes"] < 11 and took["peak_memory_gb"] == 999.0


@pytest.mark.parametrize(("recorded", "kept"), [(8, 2), (16, 0), (None, 2)])
def test_times_of_steps_with_another_batch_size_do_not_count(recorded, kept):
    speed = Speed()
    callback = Cost(speed)
    state = {"pairs": 16, "seconds": 1.0, "memory": {}, "steps": [0.5, 0.6]}
    callback.load_state_dict(state | ({"batch_size": recorded} if recorded else {}))
    callback.on_fit_start(SimpleNamespace(datamodule=SimpleNamespace(batch_size=8)), None)  # type: ignore[arg-type]
    assert len(speed.recent) == kept and callback.state_dict()["batch_size"] == 8


def test_overwriting_a_run_removes_its_cost(frozenvl):
    assert frozenvl("fit", *BRIEF, "--trainer.max_steps", 2) == 0
    assert frozenvl("fit", *BRIEF, "--overwrite", "true", *add("probes.StopAt", step=1)) == 1
    assert not Path("runs/tiny/cost.json").exists()


def test_the_largest_peak_of_all_ranks_counts():
    assert most([{"a": 1.0}, {"a": 3.0, "b": 2.0}]) == {"a": 3.0, "b": 2.0}
