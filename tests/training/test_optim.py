"""Learning rate schedules, and learning rates of parts."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import probes
import pytest
import torch
from running import add, checkpoint, history, one_line, same_weights, score

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


def test_a_rate_neither_rises_nor_turns_negative_after_the_last_step():
    """A callback may keep a run going after the step that a schedule counts as the last."""
    for schedule in ("linear", "cosine"):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        made = scheduled(optimizer, schedule, 0, 2)
        assert [made.lr_lambdas[0](step) for step in (2, 3, 9)] == pytest.approx([0, 0, 0])


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


ENDLESS = ("--trainer.max_steps", -1, "--trainer.max_epochs", -1)
TWO = ("--trainer.min_steps", 2, "--trainer.min_epochs", 0)
ENDS = {
    "time": ("--trainer.max_time", "00:00:00:00", *TWO),
    "time alone, epochs left out": ("--trainer.max_time", "00:00:00:00", *TWO),
    "early stopping": add(
        "lightning.pytorch.callbacks.EarlyStopping", monitor="train/loss", min_delta=9, patience=1
    ),
    "a timer": (
        *add("lightning.pytorch.callbacks.Timer", duration="00:00:00:00", interval="step"),
        *TWO,
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_run_without_a_last_step_trains_at_a_constant_rate(frozenvl, end):
    """Lightning's number of steps is infinite then."""
    endless = ENDLESS[:2] if "left out" in end else ENDLESS
    every = ("--trainer.val_check_interval", 2, "--trainer.limit_val_batches", 1)
    constant = ("--model.schedule", "constant", "--model.warmup_steps", 2)
    if end == "early stopping":
        every = (*every, "--trainer.callbacks.check_on_train_epoch_end", "false")
    assert frozenvl("fit", *endless, *ENDS[end], *every, *constant) == 0
    assert rates()[:2] == pytest.approx([0.005, 0.01]) and len(rates()) in (2, 4)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_other_schedules_need_a_last_step(drilled, capfd, schedule, end):
    assert drilled("fit", "--model.schedule", schedule, *ENDLESS, *ENDS[end]) == 2
    message = f"model.schedule is {schedule}, which needs to know the last step; give --trainer.max_steps"
    assert message in one_line(capfd.readouterr().err)


def test_a_time_limit_beside_a_number_of_epochs_keeps_the_schedule(frozenvl):
    """Two epochs of four steps are the last that a cosine counts, however early the time is up."""
    limits = ("--trainer.max_steps", -1, "--trainer.max_epochs", 2, "--trainer.max_time", "00:00:00:00")
    assert frozenvl("fit", *NO_VALIDATION, *limits, *TWO, "--data.batch_size", 30) == 0
    assert rates() == pytest.approx([0.005 * (1 + math.cos(math.pi * step / 8)) for step in range(2)])


# Optimisers

REFUSED = {
    "LBFGS": r"^model.optimizer: LBFGS evaluates the loss of a step several times, .*; choose another optimiser",
    "SparseAdam": r"^model.optimizer: SparseAdam needs sparse gradients, .*; choose another optimiser",
    "Muon": r"^model.optimizer: Muon only supports 2D parameters .*; choose another optimiser",
}
"""Optimisers of torch that cannot train a mapper with biases → the line."""
CLASSES = {
    name: kind
    for name, kind in vars(torch.optim).items()
    if isinstance(kind, type)
    and issubclass(kind, torch.optim.Optimizer)
    and kind is not torch.optim.Optimizer
}


def test_torch_has_the_optimisers_that_are_refused():
    assert REFUSED.keys() <= CLASSES.keys() and len(CLASSES) >= 15


@pytest.mark.parametrize("name", CLASSES)
def test_every_optimiser_of_torch_trains_and_resumes_or_is_refused_in_a_line(
    fits, tmp_path, monkeypatch, name
):
    """Four steps are equal to two, a checkpoint, and two more."""
    make = partial(CLASSES[name], lr=1e-3)
    if name in REFUSED:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(UserError, match=REFUSED[name]) as error:
            fits(optimizer=make)
        assert "\n" not in str(error.value)
        return
    for folder in ("whole", "cut"):
        (tmp_path / folder).mkdir()
    four = ("--trainer.max_steps", 4)
    monkeypatch.chdir(tmp_path / "whole")
    fits(*four, optimizer=make)
    whole = checkpoint("tiny")
    monkeypatch.chdir(tmp_path / "cut")
    fits(optimizer=make)
    early = checkpoint("tiny")
    fits(*four, optimizer=make, checkpoint="runs/tiny/checkpoints/last.ckpt")
    assert same_weights(checkpoint("tiny"), whole) and not same_weights(early, whole)


def test_muon_trains_where_all_that_is_trained_are_matrices(fits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    vectors = [weight for weight in fits.module.model.mapper.parameters() if weight.ndim == 1]
    for vector in vectors:
        vector.requires_grad_(False)
    try:
        fits(optimizer=partial(torch.optim.Muon, lr=0.02))
    finally:
        for vector in vectors:
            vector.requires_grad_(True)
    rows = history("tiny")
    assert rows[1]["train/loss"] != rows[0]["train/loss"]


def test_an_optimiser_by_class_path_is_refused_in_a_line(frozenvl, capfd):
    assert frozenvl("fit", "--model.optimizer", "torch.optim.Muon") == 2
    line = one_line(capfd.readouterr().err)
    assert line.startswith("model.optimizer: Muon only supports 2D parameters") and "AdamW" in line
    assert not list(Path("runs").rglob("*.ckpt"))


def test_an_optimiser_that_evaluates_a_batch_twice_is_refused(frozenvl, capfd):
    """Otherwise its pairs and its losses would count twice."""
    twice = ("--model.optimizer", "probes.TwiceEvaluated", "--model.optimizer.lr", 0.1)
    assert frozenvl("fit", *twice) == 1
    line = one_line(capfd.readouterr().err)
    assert line.startswith("model.optimizer: TwiceEvaluated evaluates a batch several times a step")


class TestScheduleFree:
    """Optimisers that train at other weights than those that are evaluated, and switch between the two."""

    SETTINGS = ("--model.optimizer", "probes.ScheduleFree", "--model.schedule", "constant")

    def test_the_averaged_weights_are_saved_and_scored(self, frozenvl, monkeypatch):
        monkeypatch.setattr(probes.ScheduleFree, "zs", [])
        assert frozenvl("fit", *self.SETTINGS) == 0
        zs = probes.ScheduleFree.zs
        assert len(zs) == 6
        for step in (2, 4, 6):
            held = checkpoint("tiny", f"step={step}.ckpt")
            assert not held["optimizer_states"][0]["param_groups"][0]["train_mode"]
            weight = next(value for value in held["state_dict"].values() if value.shape == zs[0].shape)
            assert torch.allclose(weight, torch.stack(zs[:step]).mean(0), atol=1e-6)
        in_the_loop = score("tiny", "perplexity")["scores"]
        assert frozenvl("validate", "--ckpt_path", "last", *self.SETTINGS) == 0
        assert score("tiny", "perplexity")["scores"] == pytest.approx(in_the_loop, rel=1e-6)

    def test_a_resumed_run_is_bit_identical(self, frozenvl):
        assert frozenvl("fit", *self.SETTINGS, name="whole") == 0
        assert frozenvl("fit", *self.SETTINGS, *add("probes.StopAt", step=5)) == 1
        assert frozenvl("fit", *self.SETTINGS, "--ckpt_path", "last") == 0
        assert same_weights(checkpoint("tiny"), checkpoint("whole")) and history("tiny") == history("whole")
