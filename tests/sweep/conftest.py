"""Sweeps of runs that take a moment, in an empty folder."""

from __future__ import annotations

import pytest
from sweeping import Sweep


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Sweep()
    yield made
    for worker in made.started:
        if worker.poll() is None:
            worker.kill()
            worker.wait()
