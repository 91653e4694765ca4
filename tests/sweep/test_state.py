"""State of runs, read from their folders."""

from __future__ import annotations

import json
import platform
import shutil
from pathlib import Path

from frozenvl.sweep.grid import Point, SweepRun
from frozenvl.sweep.lease import claim
from frozenvl.sweep.state import read_runs


def test_a_run_without_its_attempts_counts_as_waiting(sweep):
    sweep.write(grid={"model.k": [1]}, seeds=[0])
    sweep.work()
    shutil.rmtree("runs/try/k1-seed0/attempts")
    assert [state.state for state in read_runs(Path("runs/try"), "captions/CIDEr")] == ["waiting"]


def test_a_running_run_fits_and_then_scores(tmp_path):
    run = SweepRun(Point("", {"model.k": 1}), 0)
    folder = tmp_path / run.name
    assert claim(folder) is not None
    (folder / "trial.json").write_text(json.dumps(run.as_json()))
    machine = platform.node()
    (state,) = read_runs(tmp_path, "captions/CIDEr")
    assert (state.run, state.state, state.doing) == (run, "running", f"fitting on {machine}")
    (folder / "cost.json").write_text("{}")
    (state,) = read_runs(tmp_path, "captions/CIDEr")
    assert state.doing == f"scoring on {machine}"
