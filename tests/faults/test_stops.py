"""SIGTERM, SIGINT and SIGUSR1: a checkpoint at the end of the step, then an exit that is not 0."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from processes import start, until
from running import add, checkpoint, history, same_weights

RESUME = ("--resume", "true")


@pytest.fixture(scope="module")
def whole(drilled):
    assert start(drilled, name="whole").wait() == 0
    return checkpoint("whole"), history("whole")


def stopped(drilled, number: int, *probe: str, workers: int = 0, ranks: int = 1, only: int | None = None):
    """The exit status of a run that got a signal while it waited in `probe`: the whole group, or one rank alone."""
    for file in Path().glob("waiting-*"):
        file.unlink()
    run = start(drilled, *RESUME, "--data.workers", workers, *probe, ranks=ranks)
    pids = [int(until(Path(f"waiting-{rank}"), "\n")) for rank in range(ranks)]
    run.kill(number) if only is None else os.kill(pids[only], number)
    return run.wait(), [line for line in run.said().splitlines() if line.startswith("frozenvl: ")]


def validating(step: int) -> list[str]:
    return add("probes.Wait", step=step, where="on_validation_epoch_end")


def test_a_stop_is_obeyed_at_the_end_of_its_step(drilled, whole):
    """Thrice in one run, at steps that have no checkpoint of their own; with workers that get the signal, too."""
    for step, number, workers in ((2, signal.SIGTERM, 1), (6, signal.SIGINT, 0), (8, signal.SIGUSR1, 1)):
        status, said = stopped(drilled, number, *add("probes.Wait", step=step), workers=workers)
        assert status == 128 + number
        assert said == [
            f"frozenvl: stopped by {signal.Signals(number).name} after step {step + 1}; "
            "runs/cut/checkpoints/last.ckpt goes on from there with --resume true"
        ]
        assert checkpoint("cut")["global_step"] == step + 1
        if step == 2:  # in a validation it is obeyed at once, and the validation is done again
            assert stopped(drilled, number, *validating(5)) == (143, ["frozenvl: stopped by SIGTERM"])
            assert history("cut")[-1]["step"] == 5 and "val/loss" not in history("cut")[-1]
    assert start(drilled, *RESUME).wait() == 0
    assert same_weights(checkpoint("cut"), whole[0])
    assert history("cut") == whole[1]


def test_the_last_validation_is_done_again_where_it_was_cut_off(drilled, tmp_path, monkeypatch):
    """Behind the last step, where there is nothing left to train; going on further is as if nothing had been."""
    monkeypatch.chdir(tmp_path)
    steps = ("--trainer.max_steps", 5, "--model.schedule", "constant")
    status, said = stopped(drilled, signal.SIGTERM, *steps, *validating(5))
    assert (status, said) == (143, ["frozenvl: stopped by SIGTERM"])
    for name in ("cut", "whole"):
        assert start(drilled, *steps, *RESUME, name=name).wait() == 0
    assert same_weights(checkpoint("cut"), checkpoint("whole"))
    assert history("cut") == history("whole") and "val/loss" in history("cut")[-1]
    scores = [Path(f"runs/{name}/evaluation/captions/score.json").read_text() for name in ("cut", "whole")]
    assert scores[0] == scores[1]
    for name in ("cut", "whole"):
        assert start(drilled, *steps[2:], "--trainer.max_steps", 8, *RESUME, name=name).wait() == 0
    assert same_weights(checkpoint("cut"), checkpoint("whole"))
    assert history("cut") == history("whole")


def test_all_ranks_stop_where_one_is_told_to(drilled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, said = stopped(drilled, signal.SIGTERM, *add("probes.Wait", step=2), ranks=2, only=1)
    assert status == 143 and len(said) == 1 and "stopped by SIGTERM after step 3" in said[0]
    status, _ = stopped(drilled, signal.SIGUSR1, *add("probes.Wait", step=6), ranks=2)
    assert status == 138 and checkpoint("cut")["global_step"] == 7
    assert start(drilled, *RESUME, ranks=2).wait() == 0
    assert start(drilled, name="whole", ranks=2).wait() == 0
    assert same_weights(checkpoint("cut"), checkpoint("whole"))
    assert history("cut") == history("whole")
