"""Exact resuming, and global batches that do not depend on their division."""

from __future__ import annotations

import shutil
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest
from probes import seen
from running import add, checkpoint, history, one_line, same_weights

from frozenvl.training.steps import StepBatches
from frozenvl.util.errors import UserError


def batches(rank=0, ranks=1, accumulate=1, step=0, size=24, epoch=60, interval=1.0) -> list[list[int]]:
    trainer = SimpleNamespace(
        global_rank=rank,
        world_size=ranks,
        accumulate_grad_batches=accumulate,
        global_step=step,
        val_check_interval=interval,
    )
    made = StepBatches(trainer, size, epoch)  # type: ignore[arg-type]
    steps = list(made)
    assert len(steps) == len(made) - step % made.steps and all(len(step) == accumulate for step in steps)
    return [micro for step in steps for micro in step]


@pytest.mark.parametrize(("ranks", "accumulate"), product((1, 2, 3, 8), (1, 3)))
def test_global_batches_are_the_same_however_they_are_divided(ranks, accumulate):
    cut = [batches(rank, ranks, accumulate) for rank in range(ranks)]
    for step in range(2):
        micro = range(step * accumulate, (step + 1) * accumulate)
        together = sorted(position for rows in cut for m in micro for position in rows[m])
        assert together == list(range(step * 24, (step + 1) * 24))


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
