"""State of runs, read from their folders."""

from __future__ import annotations

import shutil
from pathlib import Path

from frozenvl.sweep.state import read_runs


def test_a_run_without_its_attempts_counts_as_waiting(sweep):
    sweep.write(grid={"model.k": [1]}, seeds=[0])
    sweep.work()
    shutil.rmtree("runs/try/k1-seed0/attempts")
    assert [state.state for state in read_runs(Path("runs/try"), "captions/CIDEr")] == ["waiting"]
