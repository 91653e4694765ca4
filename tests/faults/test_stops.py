"""SIGTERM, SIGINT and SIGUSR1: a checkpoint at the end of the step, then a non-zero exit status."""

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
    """Sends a signal to a run (or to one rank) that waits in `probe`; returns its exit status and its lines."""
    for file in Path().glob("waiting-*"):
        file.unlink()
    run = start(drilled, *RESUME, "--data.workers", workers, *probe, ranks=ranks)
    pids = [int(until(Path(f"waiting-{rank}"), "\n")) for rank in range(ranks)]
    run.kill(number) if only is None else os.kill(pids[only], number)
    status = run.wait()
    lines = [line for line in run.output().splitlines() if line.startswith("frozenvl: ")]
    return status, [line for line in lines if not line.startswith("frozenvl: features of ")]


def validating(step: int) -> list[str]:
    return add("probes.Wait", step=step, where="on_validation_epoch_end")


def test_a_signal_stops_the_run_at_the_end_of_its_step(drilled, whole):
    """Stops one run three times, at steps without a scheduled checkpoint; workers get the signal as well."""
    for step, number, workers in ((2, signal.SIGTERM, 1), (6, signal.SIGINT, 0), (8, signal.SIGUSR1, 1)):
        status, lines = stopped(drilled, number, *add("probes.Wait", step=step), workers=workers)
        assert status == 128 + number
        assert lines == [
            f"frozenvl: stopped by {signal.Signals(number).name} after step {step + 1}; "
            "runs/cut/checkpoints/last.ckpt goes on from there with --resume true"
        ]
        assert checkpoint("cut")["global_step"] == step + 1
        if step == 2:  # in a validation it stops at once, and the validation is repeated
            assert stopped(drilled, number, *validating(5)) == (143, ["frozenvl: stopped by SIGTERM"])
            assert history("cut")[-1]["step"] == 5 and "val/loss" not in history("cut")[-1]
    assert start(drilled, *RESUME).wait() == 0
    assert same_weights(checkpoint("cut"), whole[0])
    assert history("cut") == whole[1]


@pytest.mark.nightly
def test_an_interrupted_last_validation_is_repeated(drilled, tmp_path, monkeypatch):
    """The validation follows the last step; a longer fit that resumes then equals an uninterrupted one."""
    monkeypatch.chdir(tmp_path)
    steps = ("--trainer.max_steps", 5, "--model.schedule", "constant")
    status, lines = stopped(drilled, signal.SIGTERM, *steps, *validating(5))
    assert (status, lines) == (143, ["frozenvl: stopped by SIGTERM"])
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


@pytest.mark.nightly
def test_all_ranks_stop_if_one_gets_a_signal(drilled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, lines = stopped(drilled, signal.SIGTERM, *add("probes.Wait", step=2), ranks=2, only=1)
    assert status == 143 and len(lines) == 1 and "stopped by SIGTERM after step 3" in lines[0]
    status, _ = stopped(drilled, signal.SIGUSR1, *add("probes.Wait", step=6), ranks=2)
    assert status == 138 and checkpoint("cut")["global_step"] == 7
    assert start(drilled, *RESUME, ranks=2).wait() == 0
    assert start(drilled, name="whole", ranks=2).wait() == 0
    assert same_weights(checkpoint("cut"), checkpoint("whole"))
    assert history("cut") == history("whole")
