"""Sweeps of fake runs that take a moment, in the current folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

FAKE = Path(__file__).with_name("fake.py")
SPEC = {
    "name": "try",
    "config": "base.yaml",
    "grid": {"model.k": [1, 2]},
    "seeds": [0, 1],
    "metric": "captions/CIDEr",
}


class Sweep:
    """A specification, and its workers in processes of their own."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen] = []
        Path("base.yaml").write_text("model: {k: 4}\n")

    def write(self, **changes: Any) -> Path:
        """Writes `SPEC` with changes to sweep.yaml; a value of None leaves a key out."""
        content = {key: value for key, value in (SPEC | changes).items() if value is not None}
        Path("sweep.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        return Path("sweep.yaml")

    def start(self, *flags: str) -> subprocess.Popen:
        command = [sys.executable, str(FAKE), "worker", "sweep.yaml", *flags]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        self.started.append(subprocess.Popen(command, env=os.environ | {"PYTHONUNBUFFERED": "1"}, **pipes))
        return self.started[-1]

    def work(self, workers: int = 1, *flags: str) -> str:
        """Runs workers at the same time until they end; returns their output."""
        started = [self.start(*flags) for _ in range(workers)]
        output = "".join(worker.communicate(timeout=60)[0] for worker in started)
        assert [worker.returncode for worker in started] == [0] * workers, output
        return output

    def calls(self, key: str = "run") -> list[dict[str, Any]]:
        """Returns the lines with a key that the fake commands have noted."""
        file = Path("calls.jsonl")
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [line for line in lines if key in line]

    def told(self) -> list[tuple[str, float | None]]:
        """Returns the states and values of Optuna's trials."""
        from frozenvl.sweep.spec import read_spec
        from frozenvl.sweep.study import SweepStudy

        study = SweepStudy(read_spec(Path("sweep.yaml"))).study
        return [(trial.state.name, trial.value) for trial in study.trials]

    def began(self) -> list[str]:
        """Returns the run of each fit that was started, sorted by name."""
        return sorted(call["run"] for call in self.calls("start"))


def until(holds: Callable[[], Any], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
