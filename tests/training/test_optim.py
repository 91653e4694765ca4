"""Learning rate schedules, and learning rates of parts."""

from __future__ import annotations

import math

import pytest
import torch
from running import history, one_line

from frozenvl.training.optim import parameter_groups, scheduled
from frozenvl.util.errors import UserError

NO_VALIDATION = ("--trainer.limit_val_batches", 0)


def rates(run: str = "tiny") -> list[float]:
    return [row["train/lr"] for row in history(run) if "train/lr" in row]


def test_schedules_of_runs(frozenvl):
    assert frozenvl("fit", *NO_VALIDATION, "--model.warmup_steps", 2) == 0
    cosine = [0.5 * (1 + math.cos(math.pi * step / 4)) for step in range(4)]
    assert rates() == pytest.approx([0.005, 0.01] + [0.01 * factor for factor in cosine])
    assert (
        frozenvl(
            "fit", *NO_VALIDATION, "--model.schedule", "constant", "--model.warmup_steps", 4, name="flat"
        )
        == 0
    )
    assert rates("flat") == pytest.approx([0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01])
    linear = ("--model.schedule", "linear", "--model.warmup_steps", 2)
    assert frozenvl("fit", *NO_VALIDATION, *linear, name="line") == 0
    # Like transformers' get_linear_schedule_with_warmup (used by ClipCap), whose warm-up is one step later.
    assert rates("line") == pytest.approx([0.005, 0.01, 0.01, 0.0075, 0.005, 0.0025])


def test_a_cosine_over_epochs_ends_with_the_last_epoch(frozenvl):
    """The run has no `max_steps`, but 2 epochs of 4 steps of 2 micro-batches."""
    epochs = ("--trainer.max_steps", -1, "--trainer.max_epochs", 2, "--trainer.val_check_interval", 2)
    cut = ("--trainer.accumulate_grad_batches", 2, "--data.batch_size", 30)
    assert frozenvl("fit", *NO_VALIDATION, *epochs, *cut) == 0
    assert rates() == pytest.approx([0.005 * (1 + math.cos(math.pi * step / 8)) for step in range(8)])


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_a_warm_up_longer_than_the_run_is_refused(frozenvl, capfd, schedule):
    assert frozenvl("fit", "--model.warmup_steps", 6, "--model.schedule", schedule) == 2
    assert one_line(capfd.readouterr().err) == "model.warmup_steps is 6, the run has only 6 steps; lower it"


def factors(schedule: str, warmup: int, steps: int) -> list[float]:
    """Returns the learning rate of each step, divided by the highest."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    made = scheduled(optimizer, schedule, warmup, steps)
    found = []
    for _ in range(steps):
        found.append(made.get_last_lr()[0])
        optimizer.step()
        made.step()
    return found


def test_factors_of_warm_up_and_schedule():
    assert factors("constant", 2, 5) == pytest.approx([1 / 2, 1, 1, 1, 1])
    assert factors("linear", 2, 6) == pytest.approx([1 / 2, 1, 1, 3 / 4, 1 / 2, 1 / 4])
    assert factors("cosine", 1, 5) == pytest.approx(
        [1, *(0.5 * (1 + math.cos(math.pi * done)) for done in (0, 1 / 4, 1 / 2, 3 / 4))]
    )
    assert factors("cosine", 0, 2) == pytest.approx([1, 0.5])
    assert factors("constant", 9, 3) == pytest.approx([1 / 9, 2 / 9, 3 / 9])


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_a_warm_up_as_long_as_the_run_is_refused(schedule):
    with pytest.raises(UserError, match=r"model.warmup_steps is 3, the run has only 3 steps; lower it"):
        factors(schedule, 3, 3)


PARTS = {
    "language": torch.nn.Linear(2, 2).requires_grad_(False),
    "mapper": torch.nn.Linear(2, 3),
    "vision": torch.nn.Sequential(torch.nn.Linear(2, 2).requires_grad_(False), torch.nn.Linear(2, 2)),
}


def test_each_trained_part_is_a_parameter_group_with_its_own_rate():
    groups = parameter_groups(PARTS, {"vision": 0.1})
    assert [group["name"] for group in groups] == ["mapper", "vision"]
    assert [group.get("lr") for group in groups] == [None, 0.1]
    assert [len(group["params"]) for group in groups] == [2, 2]
    assert groups[1]["params"][0] is PARTS["vision"][1].weight


@pytest.mark.parametrize("name", ["language", "nothing"])
def test_a_rate_for_a_frozen_part_is_refused(name):
    with pytest.raises(UserError, match=rf"model.rates names {name}, but what is trained is mapper, vision"):
        parameter_groups(PARTS, {"mapper": 0.1, name: 0.2})


def test_a_run_limited_only_by_time(frozenvl, capfd):
    """Lightning's number of steps is infinite then."""
    endless = ["--trainer.max_steps", -1, "--trainer.max_epochs", -1, "--trainer.max_time", "00:00:00:02"]
    assert frozenvl("fit", *NO_VALIDATION, "--model.schedule", "constant", *endless) == 0
    assert len(history("tiny")) >= 1
    capfd.readouterr()
    assert frozenvl("fit", "--model.schedule", "cosine", "--overwrite", "true", *endless) == 2
    assert (
        "model.schedule is cosine, which needs to know the last step; give --trainer.max_steps"
        in one_line(capfd.readouterr().err)
    )
