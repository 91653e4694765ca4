"""Exact resuming, and global batches that do not depend on their division."""

from __future__ import annotations

import json
import shutil
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from probes import seen
from running import add, checkpoint, history, one_line, same_weights

from frozenvl.data.order import Order
from frozenvl.training.datamodule import FrozenData
from frozenvl.training.steps import Start, StepBatches, resume
from frozenvl.util.errors import UserError


def trainer_of(rank=0, ranks=1, accumulate=1, step=0, interval=1.0, **options) -> SimpleNamespace:
    """Makes a fake Trainer with the options that a sampler of batches reads."""
    limits = {"limit_train_batches": 1.0, "overfit_batches": 0.0, "fast_dev_run": False}
    lengths = {"limit_val_batches": 1.0, "check_val_every_n_epoch": None, "max_steps": -1, "max_epochs": -1}
    return SimpleNamespace(
        global_rank=rank,
        world_size=ranks,
        accumulate_grad_batches=accumulate,
        global_step=step,
        val_check_interval=interval,
        **limits | lengths | options,
    )


def batches(
    rank=0, ranks=1, accumulate=1, step=0, size=24, epoch=60, interval=1.0, **options
) -> list[list[int]]:
    trainer = trainer_of(rank, ranks, accumulate, step, interval, **options)
    made = StepBatches(trainer, size, Order([epoch], [1], seed=0))  # type: ignore[arg-type]
    steps = list(made)
    assert len(steps) == made.steps - step % made.steps and all(len(step) == accumulate for step in steps)
    return [micro for step in steps for micro in step]


@pytest.mark.parametrize(("ranks", "accumulate"), product((1, 2, 3, 8), (1, 3)))
def test_global_batches_are_the_same_however_they_are_divided(ranks, accumulate):
    cut = [batches(rank, ranks, accumulate) for rank in range(ranks)]
    for step in range(2):
        micro = range(step * accumulate, (step + 1) * accumulate)
        together = sorted(position for rows in cut for m in micro for position in rows[m])
        assert together == list(range(step * 24, (step + 1) * 24))


def in_lanes(lanes=4, size=24, step=0, **options) -> list[list[list[int]]]:
    """Returns the micro-batches of each step, of a data set of 240 pairs in 24 shards."""
    order = Order([[10] * 24], [1], 0, [2], lanes=lanes)
    made = StepBatches(trainer_of(step=step, **options), size, order)  # type: ignore[arg-type]
    return list(made)


@pytest.mark.parametrize(("ranks", "accumulate"), product((1, 2, 4, 8), (1, 3)))
def test_global_batches_in_lanes_are_the_same_however_they_are_divided(ranks, accumulate):
    cut = [in_lanes(rank=rank, ranks=ranks, accumulate=accumulate) for rank in range(ranks)]
    whole = in_lanes(accumulate=accumulate)
    for step, micro in product(range(10), range(accumulate)):
        parts = [steps[step][micro] for steps in cut]
        assert len(set(map(len, parts))) == 1
        assert sorted(position for part in parts for position in part) == sorted(whole[step][micro])
    assert in_lanes(ranks=ranks, accumulate=accumulate, step=3) == cut[0][3:]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"ranks": 3},
            r"data.lanes is 4, which 3 ranks cannot share equally; use 1, 2, 4 or a multiple of 4 ranks",
        ),
        ({"size": 30}, r"data.batch_size is 30, .* among 4 lanes \(data.lanes\); make it a multiple of 4"),
        (
            {"accumulate": 4},
            r"batch_size is 24, .* 4 lanes \(data.lanes\) × 4 accumulated .* a multiple of 16",
        ),
    ],
    ids=str,
)
def test_lanes_that_cannot_be_divided_equally_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        in_lanes(**options)


def test_batches_cross_the_end_of_an_epoch():
    first, second = batches(epoch=60, step=0), batches(epoch=60, step=2)
    assert [p for batch in first + second for p in batch] == list(range(4 * 24))


def test_a_resumed_run_continues_at_its_step():
    whole = batches(epoch=24 * 5)
    for step in range(1, 5):
        assert batches(epoch=24 * 5, step=step) == whole[step:]


def test_a_batch_smaller_than_its_number_of_parts_is_refused():
    with pytest.raises(
        UserError, match=r"data.batch_size is 5, .* 3 ranks × 2 accumulated batches; raise it"
    ):
        batches(ranks=3, accumulate=2, size=5)


def test_validation_in_the_middle_of_a_step_is_refused():
    with pytest.raises(UserError, match=r"trainer.val_check_interval is 3 batches, .* make it a multiple"):
        batches(accumulate=2, interval=3)
    assert batches(accumulate=2, interval=4) == batches(accumulate=2, interval=0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit_train_batches": 3}, r"limit_train_batches lets an epoch end after 3 batches, .* multiple"),
        ({"limit_train_batches": 0.5}, r"limit_train_batches lets an epoch end after 5 batches"),
        (
            {"limit_train_batches": 0.05},
            r"limit_train_batches is 0.05 of the 10 batches of a pass, .* raise it",
        ),
        (
            {"limit_train_batches": 1, "overfit_batches": 1},
            r"trainer.overfit_batches lets an epoch end after 1 ",
        ),
        (
            {"limit_train_batches": 1, "fast_dev_run": True},
            r"trainer.fast_dev_run lets an epoch end after 1 ",
        ),
        (
            {"check_val_every_n_epoch": 1, "interval": 12},
            r"trainer.val_check_interval is 12 batches, an epoch has 10; .*check_val_every_n_epoch to null",
        ),
        (
            {"check_val_every_n_epoch": 1, "interval": 6, "limit_train_batches": 4},
            r"trainer.val_check_interval is 6 batches, an epoch has 4; lower it",
        ),
        (
            {"_val_check_time_interval": 60.0},
            r"is a time, which may be up in the middle of an optimiser step",
        ),
    ],
    ids=str,
)
def test_an_epoch_or_validation_that_ends_in_the_middle_of_a_step_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        batches(accumulate=2, epoch=5 * 24, **options)


def test_a_validation_interval_longer_than_an_epoch_counts_batches_over_epochs(frozenvl, capfd):
    short = ("--data.batch_size", 24, "--trainer.val_check_interval", 6, "--trainer.limit_val_batches", 1)
    assert frozenvl("fit", *short, "--trainer.check_val_every_n_epoch", 1) == 2
    line = one_line(capfd.readouterr().err)
    assert line.startswith("trainer.val_check_interval is 6 batches, an epoch has 5; lower it, or set")
    assert frozenvl("fit", *short) == 0
    assert [row["step"] for row in history("tiny") if "val/loss" in row] == [6]


def test_limited_epochs_take_consecutive_steps():
    """The order goes on after a limited epoch; nothing of it is skipped, and no epoch is shorter than the others."""
    steps = [batches(epoch=5 * 24, step=step, limit_train_batches=2, size=24)[:2] for step in (0, 2, 4)]
    assert [p for epoch in steps for batch in epoch for p in batch] == list(range(6 * 24))


@pytest.mark.parametrize(("ranks", "accumulate"), product((1, 2), (1, 2)))
def test_overfitted_batches_are_the_same_in_each_epoch(ranks, accumulate):
    options = {"limit_train_batches": 2 * accumulate, "overfit_batches": 2 * accumulate}
    epochs = [
        [batches(rank, ranks, accumulate, step=step, epoch=5 * 24, **options) for rank in range(ranks)]
        for step in (0, 2, 4)
    ]
    assert epochs[0] == epochs[1] == epochs[2]
    assert sorted(p for rank in epochs[0] for batch in rank for p in batch) == list(range(2 * 24))
    resumed = [batches(rank, ranks, accumulate, 3, epoch=5 * 24, **options) for rank in range(ranks)]
    assert resumed == [rank[accumulate:] for rank in epochs[0]]


@pytest.mark.parametrize(
    ("ranks", "cut"),
    [(1, ()), (1, ("--trainer.accumulate_grad_batches", 2)), (2, ("--trainer.accumulate_grad_batches", 2))],
    ids=str,
)
def test_runs_overfit_the_batches_that_they_name(frozenvl, ranks, cut):
    """Two steps per epoch, of one batch each or of two accumulated ones; four epochs, the third cut off and resumed."""
    fixed = ("--trainer.overfit_batches", 2 * (cut[1] if cut else 1), "--trainer.limit_val_batches", 0)
    every = ("--trainer.val_check_interval", 1.0, "--trainer.check_val_every_n_epoch", 4)
    steady = ("--model.schedule", "constant", "--model.mapper.init_args.dropout", 0)
    run = ("--trainer.max_steps", 8, *fixed, *every, *steady, *cut, *add("probes.Seen", folder="seen"))
    stop = add("probes.StopAt", step=5)
    assert frozenvl("fit", *run, *stop, ranks=ranks) == 1
    assert frozenvl("fit", *run, "--ckpt_path", "last", ranks=ranks) == 0
    steps = seen("seen")
    assert list(steps) == list(range(8))
    assert steps[0] == steps[2] == steps[6] != steps[1] == steps[3] == steps[5] == steps[7]
    assert steps[4] == sorted(2 * steps[0])  # done again after the resume
    losses = [row["train/loss"] for row in history("tiny") if "train/loss" in row]
    assert losses[6] < losses[0] and losses[7] < losses[1]


def test_validation_intervals_in_time_are_refused_for_several_ranks(frozenvl, capfd):
    assert frozenvl("fit", "--trainer.val_check_interval", "00:00:10:00", ranks=2) == 2
    assert "trainer.val_check_interval is a time" in one_line(capfd.readouterr().err)


# Whole runs: 8 steps, 4 per epoch, with a checkpoint after every second step.

SETTINGS = ("--data.batch_size", 30, "--trainer.max_steps", 8, "--trainer.val_check_interval", 6)


def interrupt_run(frozenvl, after: int, *options, ranks: int = 1) -> None:
    """Interrupts a run one step after the checkpoint of step `after`."""
    assert (
        frozenvl("fit", *SETTINGS, *options, *add("probes.StopAt", step=after + 1), name="cut", ranks=ranks)
        == 1
    )
    assert checkpoint("cut")["global_step"] == after
    assert history("cut")[-1]["step"] == after + 1


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tiny_language, tiny_vision, feature_home):
    """Weights and history of an uninterrupted run."""
    from running import Runs

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("whole"))
        assert Runs(tiny_language, tiny_vision)("fit", *SETTINGS, name="whole") == 0
        return checkpoint("whole"), history("whole")


@pytest.mark.parametrize(
    ("after", "workers"),
    [
        pytest.param(2, 0, marks=pytest.mark.nightly),
        (2, 2),
        (4, 0),
        pytest.param(6, 0, marks=pytest.mark.nightly),
    ],
)
def test_a_resumed_run_is_bit_identical(frozenvl, whole, after, workers):
    """Interrupts within and at the end of the first epoch and within the second, with dropout, AdamW and a cosine."""
    interrupt_run(frozenvl, after, "--data.workers", workers)
    assert frozenvl("fit", *SETTINGS, "--data.workers", workers, "--ckpt_path", "last", name="cut") == 0
    assert checkpoint("cut")["global_step"] == 8
    assert same_weights(checkpoint("cut"), whole[0])
    assert history("cut") == whole[1]


def test_a_resumed_run_with_accumulation_is_bit_identical(frozenvl):
    accumulate = ("--trainer.accumulate_grad_batches", 2, "--trainer.limit_val_batches", 0)
    assert frozenvl("fit", *SETTINGS, *accumulate) == 0
    interrupt_run(frozenvl, 2, *accumulate)
    assert frozenvl("fit", *SETTINGS, *accumulate, "--ckpt_path", "last", name="cut") == 0
    assert same_weights(checkpoint("cut"), checkpoint("tiny"))
    assert history("cut") == history("tiny")


def test_other_ranks_and_accumulation_resume_with_the_same_samples(frozenvl):
    settings = ("--model.mapper.init_args.dropout", 0, "--trainer.limit_val_batches", 1)
    probe = add("probes.Seen", folder="seen")
    assert frozenvl("fit", *SETTINGS, *settings, *probe) == 0
    expected, losses = seen("seen"), [row["train/loss"] for row in history("tiny") if "train/loss" in row]
    shutil.rmtree("seen")
    # Validation is due after 6 batches, which are 2 steps here.
    interrupt_run(frozenvl, 2, *settings, *probe, "--trainer.accumulate_grad_batches", 3)
    file, done_again = Path("seen/0"), "[2,"
    file.write_text("".join(line for line in file.open() if not line.startswith(done_again)))
    assert frozenvl("fit", *SETTINGS, *settings, *probe, "--ckpt_path", "last", name="cut", ranks=2) == 0
    assert seen("seen") == expected
    rows = history("cut")
    assert [row["step"] for row in rows if "val/loss" in row] == [2, 6]
    assert [row["step"] for row in rows if "train/loss" in row] == list(range(1, 9))
    assert [row["train/loss"] for row in rows if "train/loss" in row] == pytest.approx(losses, rel=1e-5)


def test_a_second_fit_under_a_name_is_refused_or_replaces_the_first(frozenvl, capfd):
    assert frozenvl("fit") == 0
    assert frozenvl("fit", "--trainer.max_steps", 2) == 2
    assert "runs/tiny: holds a run of that name; go on with --ckpt_path last" in one_line(
        capfd.readouterr().err
    )
    assert checkpoint("tiny")["global_step"] == 6
    off = ("--trainer.limit_val_batches", 0)
    assert frozenvl("fit", "--trainer.max_steps", 2, "--overwrite", "true", *off) == 0
    assert checkpoint("tiny")["global_step"] == 2 and len(list(Path("runs/tiny/checkpoints").iterdir())) == 2
    assert [row["step"] for row in history("tiny") if "train/loss" in row] == [1, 2]
    assert not Path("runs/tiny/evaluation").exists()  # of the first fit


def test_resuming_without_a_checkpoint_is_refused(frozenvl, capfd):
    assert frozenvl("fit", "--ckpt_path", "last") == 2
    assert "runs/tiny/checkpoints: no last.ckpt to go on from" in one_line(capfd.readouterr().err)


def test_the_weights_of_the_last_step_are_saved_and_resumed(frozenvl):
    cut = (*SETTINGS[:2], "--trainer.max_steps", 5, *SETTINGS[4:], "--model.schedule", "constant")
    assert frozenvl("fit", *cut, name="cut") == 0
    assert checkpoint("cut")["global_step"] == 5
    on = (*SETTINGS, "--model.schedule", "constant")
    assert frozenvl("fit", *on, "--ckpt_path", "last", name="cut") == 0
    assert frozenvl("fit", *on, name="once") == 0
    assert same_weights(checkpoint("cut"), checkpoint("once"))


# Resuming with another batch size, accumulation or length of an epoch.


def saved(
    step: int, size: int, accumulate=1, epoch_step: int | None = None, whole=False, epochs=1, **record
) -> dict:
    """Makes what a resume reads of a checkpoint, saved at the end of a step, before `completed` was counted."""
    done = step if epoch_step is None else epoch_step

    def counts(steps: int) -> dict[str, int]:
        ready = steps * accumulate
        return {"ready": ready, "started": ready, "processed": ready, "completed": ready - 1}

    progress = {"total": counts(step), "current": counts(done), "is_last_batch": whole}
    loop = {"epoch_loop.batch_progress": progress, "epoch_progress": {"current": {"ready": epochs}}}
    data = {"pairs": step * size, "batch_size": size, "accumulated": accumulate} | record
    return {
        "global_step": step,
        "loops": {"fit_loop": loop},
        "frozenvl": {"data": data},
        "callbacks": {"Cost": {"pairs": step * size}},
    }


def sampler(size: int, epoch=60, start: Start | None = None, **options) -> StepBatches:
    return StepBatches(trainer_of(**options), size, Order([epoch], [1], seed=0), start)  # type: ignore[arg-type]


def counters(checkpoint: dict) -> tuple[int, int, int]:
    """Returns the batches in total, those of the epoch, and those of them that are counted as completed."""
    progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    return progress["total"]["ready"], progress["current"]["ready"], progress["current"]["completed"]


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "of an earlier version"])
@pytest.mark.parametrize(("before", "after"), [(4, 8), (8, 4), (6, 5), (4, 4)])
def test_a_resume_with_another_batch_size_goes_on_at_the_next_pair(before, after, recorded):
    """Six steps were done, in the first epoch of 60 pairs."""
    checkpoint = saved(6, before)
    if not recorded:
        del checkpoint["frozenvl"]["data"]
    start = resume(checkpoint, sampler(after))
    assert (start.step, start.pairs, start.epoch) == (6, 6 * before, 0)
    rest = [p for step in sampler(after, start=start, step=6) for micro in step for p in micro]
    assert rest[0] == 6 * before and rest == list(range(rest[0], rest[-1] + 1))
    assert abs(rest[-1] + 1 - 60) <= after / 2  # the epoch ends at the step nearest to its end
    total, current, completed = counters(checkpoint)
    assert total == 6 and current == start.epoch_step == completed + 1


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (2, 3), (2, 2)])
def test_a_resume_with_another_accumulation_counts_whole_steps(before, after):
    checkpoint = saved(7, 24, before, epoch_step=2, epochs=2)
    start = resume(checkpoint, sampler(24, 5 * 24, accumulate=after))
    assert (start.pairs, start.epoch, start.epoch_step) == (7 * 24, 1, 2)
    assert counters(checkpoint) == (7 * after, 2 * after, 2 * after - 1)


def test_a_resume_at_the_end_of_an_epoch_starts_the_next_one():
    checkpoint = saved(6, 25, epoch_step=2, whole=True, epochs=3)  # 60 pairs are two steps of 25
    start = resume(checkpoint, sampler(4))
    assert start == Start(6, 150, 3, 0)
    assert counters(checkpoint) == (6, 15, 14)  # an epoch is complete, whatever its length was
    assert len(list(sampler(4, start=start, step=6))) == 15


def test_a_checkpoint_from_the_middle_of_a_step_goes_back_to_its_beginning():
    """Lightning's OnExceptionCheckpoint saves there."""
    checkpoint = saved(5, 24)
    progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    for counts in (progress["total"], progress["current"]):
        counts.update(ready=6, started=6, processed=5, completed=5)
    progress["is_last_batch"] = True
    start = resume(checkpoint, sampler(24, 6 * 24))
    assert start == Start(5, 5 * 24, 0, 5) and counters(checkpoint) == (5, 5, 5)
    assert not progress["is_last_batch"]


def test_the_last_step_of_a_run_is_known_after_a_change_of_the_batch_size():
    start = resume(saved(6, 4), sampler(8))  # three steps of eight, of eight per epoch
    assert sampler(8, start=start, max_epochs=2).last == 6 + (8 - 3) + 8
    assert sampler(8, start=start, max_epochs=2, max_steps=10).last == 10
    assert sampler(4, max_epochs=2).last == 30
    assert sampler(4).last == float("inf")
    assert sampler(4, max_epochs=3, limit_train_batches=2, max_steps=50).last == 6


@pytest.mark.parametrize(
    ("recorded", "ranks"), [(True, 2), (False, 1)], ids=["recorded, on two ranks", "of an earlier version"]
)
def test_a_run_goes_on_with_another_batch_size(frozenvl, recorded, ranks):
    base = (
        "--trainer.limit_val_batches",
        0,
        "--model.schedule",
        "constant",
        *add("probes.Seen", folder="seen"),
    )
    assert frozenvl("fit", *base, "--trainer.max_steps", 6, name="whole") == 0
    expected = seen("seen")
    shutil.rmtree("seen")
    assert frozenvl("fit", *base, "--trainer.max_steps", 2) == 0
    if not recorded:
        last = Path("runs/tiny/checkpoints/last.ckpt")
        content = checkpoint("tiny")
        del content["frozenvl"]["data"]
        torch.save(content, last)
    larger = ("--data.batch_size", 16, "--trainer.max_steps", 4, "--ckpt_path", "last")
    assert frozenvl("fit", *base, *larger, ranks=ranks) == 0
    steps = seen("seen")
    assert steps[2] == sorted(expected[2] + expected[3]) and steps[3] == sorted(expected[4] + expected[5])
    assert checkpoint("tiny")["frozenvl"]["data"] == {"pairs": 48, "batch_size": 16, "accumulated": 1}
    assert json.loads(Path("runs/tiny/cost.json").read_text())["pairs"] == 48


def test_epochs_and_schedule_end_together_after_a_change_of_the_batch_size(frozenvl):
    """An epoch has 10 steps of 12 pairs, or 5 of 24. A linear schedule ends at 0 with the second epoch."""
    epochs = ("--trainer.limit_val_batches", 0, "--trainer.max_steps", -1, "--trainer.max_epochs", 2)
    linear = (*epochs, "--model.schedule", "linear")
    stop = add("probes.StopAt", step=5)
    assert frozenvl("fit", *linear, "--data.batch_size", 12, *stop) == 1  # the last checkpoint is of step 4
    assert frozenvl("fit", *linear, "--data.batch_size", 24, "--ckpt_path", "last") == 0
    assert checkpoint("tiny")["global_step"] == 4 + 3 + 5 and checkpoint("tiny")["epoch"] == 1
    rates = [row["train/lr"] for row in history("tiny")]
    assert rates[4:] == pytest.approx([0.01 * (1 - step / 12) for step in range(4, 12)])


def test_a_run_goes_on_with_more_accumulated_batches(frozenvl):
    """Four steps per epoch, each validated at its end, before and after the change."""
    epochs = ("--trainer.max_steps", -1, "--trainer.max_epochs", 2, "--trainer.check_val_every_n_epoch", 1)
    settings = (*epochs, "--trainer.val_check_interval", 1.0, "--trainer.limit_val_batches", 1)
    run = (*settings, "--data.batch_size", 30, "--model.mapper.init_args.dropout", 0)
    assert frozenvl("fit", *run, name="whole") == 0
    assert frozenvl("fit", *run, *add("probes.StopAt", step=3)) == 1
    assert frozenvl("fit", *run, "--ckpt_path", "last", "--trainer.accumulate_grad_batches", 3) == 0
    assert checkpoint("tiny")["global_step"] == 8 and checkpoint("tiny")["epoch"] == 1
    for row, expected in zip(history("tiny"), history("whole"), strict=True):
        assert row == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("batches", [4, 5], ids=["at the end of a step", "in the middle of a step"])
def test_a_run_that_was_ended_between_micro_batches_loses_no_pair(frozenvl, batches):
    """A time limit may be up in the middle of a step: the step is not taken, and a resume does it whole."""
    run = (
        "--trainer.max_steps",
        5,
        "--trainer.accumulate_grad_batches",
        2,
        "--trainer.val_check_interval",
        20,
    )
    run = (*run, "--trainer.limit_val_batches", 1, "--model.schedule", "constant")
    assert frozenvl("fit", *run, name="whole") == 0
    assert frozenvl("fit", *run, *add("probes.EndAt", batches=batches)) == 0
    assert checkpoint("tiny")["global_step"] == 2
    assert frozenvl("fit", *run, "--ckpt_path", "last") == 0
    assert same_weights(checkpoint("tiny"), checkpoint("whole"))
    losses = [[row for row in history(name) if "train/loss" in row] for name in ("tiny", "whole")]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_run_goes_on_from_a_checkpoint_of_its_failure(frozenvl, accumulate):
    """Lightning's OnExceptionCheckpoint saves in the middle of a step."""
    run = ("--trainer.accumulate_grad_batches", accumulate, "--trainer.limit_val_batches", 0)
    run = (*run, "--trainer.val_check_interval", 4)
    assert frozenvl("fit", *run, name="whole") == 0
    on_exception = add(
        "lightning.pytorch.callbacks.OnExceptionCheckpoint", dirpath="failed", filename="failed"
    )
    assert frozenvl("fit", *run, *on_exception, *add("probes.Overflow", step=3)) == 1
    assert frozenvl("fit", *run, "--ckpt_path", "failed/failed.ckpt") == 0
    assert same_weights(checkpoint("tiny"), checkpoint("whole")) and history("tiny") == history("whole")


def test_data_of_a_resumed_fit_start_a_new_one_at_the_first_pair():
    data = FrozenData({}, {})
    data.start = Start(6, 48, 0, 6)
    data.trainer = SimpleNamespace(global_step=0)  # type: ignore[assignment]
    data.setup("validate")
    assert data.start.pairs == 48
    data.setup("fit")
    assert data.start == Start()


def test_a_schedule_of_accumulation_is_refused(frozenvl, capfd):
    schedule = add("lightning.pytorch.callbacks.GradientAccumulationScheduler", scheduling='{"0": 1, "1": 2}')
    assert frozenvl("fit", *schedule) == 2
    line = one_line(capfd.readouterr().err)
    assert "no GradientAccumulationScheduler here" in line and "set trainer.accumulate_grad_batches" in line
    assert not Path("runs").exists()


def test_an_accumulation_that_a_callback_changes_stops_the_run(frozenvl, capfd):
    assert frozenvl("fit", *add("probes.Accumulate", step=2, batches=2)) == 1
    assert "trainer.accumulate_grad_batches changed from 1 to 2 during the run" in one_line(
        capfd.readouterr().err
    )
    assert checkpoint("tiny")["global_step"] == 2
