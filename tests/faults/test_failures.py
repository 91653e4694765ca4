"""Failures: the run ends within a bounded time, with one error line, and saved checkpoints are intact."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from probes import seen
from processes import start, until
from running import add, checkpoint, one_line

from frozenvl.training.checkpoint import read_checkpoint


def test_the_other_ranks_end_soon_after_one_dies(drilled):
    """Kills a rank while the others wait for its gradients."""
    run = start(drilled, *add("probes.Wait", step=3, seconds=60, rank=1), name="dying", ranks=3)
    pid = int(until(Path("waiting-1"), "\n"))
    begun = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    assert run.wait(30) == 1
    assert time.monotonic() - begun < 20
    # With forked ranks, the parent process prints the error.
    assert len([line for line in run.output().splitlines() if line.startswith("frozenvl: error")]) == 1
    assert checkpoint("dying")["global_step"] == 2
    with pytest.raises(ProcessLookupError):
        os.killpg(run.pid, 0)


@pytest.fixture
def small_disk(drilled):
    """Folder `small` on a disk with room for five checkpoints of 80 kB."""
    folder = Path("small")
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=420k", "tmpfs", folder], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk takes root and mount")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_leaves_the_last_checkpoint_intact(drilled, small_disk):
    there = ("--trainer.callbacks.init_args.dirpath", small_disk)
    run = start(drilled, *there, "--trainer.callbacks.init_args.save_top_k", -1, name="full")
    assert run.wait() == 1
    line = one_line(run.output())
    assert "cannot be written (No space left on device); free some space" in line
    assert 2 <= read_checkpoint(small_disk / "last.ckpt")["global_step"] < 16
    for path in small_disk.iterdir():
        assert read_checkpoint(path)["state_dict"]
    for path in small_disk.glob("step=*"):
        path.unlink()
    assert start(drilled, *there, "--ckpt_path", small_disk / "last.ckpt", name="full").wait() == 0
    assert read_checkpoint(small_disk / "last.ckpt")["global_step"] == 16


def test_a_nan_loss_is_an_error_with_all_samples_of_its_batch(drilled, capfd):
    explode = ("--model.optimizer", "torch.optim.SGD", "--model.optimizer.lr", 1e30)
    run = start(drilled, *explode, *add("probes.Seen", folder="seen"), name="nan")
    assert run.wait() == 1
    line = one_line(run.output())
    assert "loss is nan at step 1, samples " in line
    assert all(key in line for key in seen("seen")[1])


@pytest.mark.parametrize("ranks", [1, 2])
def test_infinite_gradients_change_no_weight(drilled, tmp_path, monkeypatch, ranks):
    monkeypatch.chdir(tmp_path)
    probes = (*add("probes.Overflow", step=3), *add("probes.Seen", folder="seen"))
    run = start(drilled, *probes, name="overflow", ranks=ranks)
    assert run.wait() == 1
    line = one_line(run.output())
    assert "gradients are no numbers at step 3, samples " in line
    assert all(key in line for key in seen("seen")[3])
    saved = checkpoint("overflow")
    assert saved["global_step"] == 2 and all(value.isfinite().all() for value in saved["state_dict"].values())


def test_a_checkpoint_that_would_run_code_is_refused_and_runs_none(drilled):
    class Evil:
        def __reduce__(self):
            return os.mkdir, ("ran",)

    torch.save({"frozenvl": {}, "state_dict": Evil()}, "evil.ckpt")
    run = start(drilled, "--ckpt_path", "evil.ckpt", name="evil")
    assert run.wait() == 2
    assert "refused" in one_line(run.output()) and not Path("ran").exists()
