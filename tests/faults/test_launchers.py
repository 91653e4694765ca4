"""Ranks started by Lightning's launcher and by torchrun give the same run as forked ranks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import DRILL, start, until
from running import CONFIG, add, checkpoint, history, same_weights

PATIENCE = 240
"""Seconds of patience: each rank imports everything again."""
ROOT = CONFIG.parents[1]
LAUNCHERS = {
    "lightning": (sys.executable, "-m", "frozenvl"),
    "torchrun": (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "frozenvl"),
}


@pytest.fixture
def launch(drilled, monkeypatch):
    """Function that starts `fit` on two ranks with the published DDP configuration."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'tests'}")

    def launch(launcher: str, *options: object) -> subprocess.Popen:
        here = ("--trainer.accelerator", "cpu", "--trainer.devices", 2, "--resume", "true", "--name", "cut")
        ddp = ("--config", ROOT / "configs" / "trainer" / "ddp.yaml", *here)
        words = ("fit", "--config", CONFIG, *drilled.models, *DRILL, *ddp, *options)
        command = [*LAUNCHERS[launcher], *map(str, words)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    return launch


@pytest.mark.nightly
def test_a_run_stopped_under_one_launcher_resumes_under_the_other(launch, drilled):
    first = launch("lightning", *add("probes.Wait", step=4))
    until(Path("waiting-1"), "\n", PATIENCE)
    os.kill(first.pid, signal.SIGTERM)
    output, _ = first.communicate(timeout=PATIENCE)
    assert first.returncode == 143, output
    sized, *lines = [line for line in output.splitlines() if line.startswith("frozenvl: ")]
    assert sized.startswith("frozenvl: features of ")
    assert len(lines) == 1 and "stopped by SIGTERM after step 5" in lines[0]
    assert checkpoint("cut")["global_step"] == 5
    second = launch("torchrun", *add("probes.Leaving", folder="leaving"))
    output, _ = second.communicate(timeout=PATIENCE)
    assert second.returncode == 0, output
    assert [(Path("leaving") / rank).read_text() for rank in "01"] == [
        "[]",
        "[]",
    ]  # otherwise some runs end by SIGABRT
    assert start(drilled, name="whole", ranks=2).wait() == 0
    assert same_weights(checkpoint("cut"), checkpoint("whole"))
    assert history("cut") == history("whole")
