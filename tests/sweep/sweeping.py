"""Sweeps of runs that take a moment, in an empty folder."""

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
    """A specification, and workers of it in processes of their own."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen] = []
        Path("base.yaml").write_text("model: {k: 4}\n")

    def write(self, **changes: Any) -> Path:
        """SPEC with changes; None leaves a key out."""
        content = {key: value for key, value in (SPEC | changes).items() if value is not None}
        Path("sweep.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        return Path("sweep.yaml")

    def start(self, *flags: str) -> subprocess.Popen:
        command = [sys.executable, str(FAKE), "worker", "sweep.yaml", *flags]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        self.started.append(subprocess.Popen(command, env=os.environ | {"PYTHONUNBUFFERED": "1"}, **pipes))
        return self.started[-1]

    def work(self, workers: int = 1, *flags: str) -> str:
        """What workers side by side say, to their end."""
        begun = [self.start(*flags) for _ in range(workers)]
        said = "".join(worker.communicate(timeout=60)[0] for worker in begun)
        assert [worker.returncode for worker in begun] == [0] * workers, said
        return said

    def calls(self, key: str = "run") -> list[dict[str, Any]]:
        """What the runs' commands noted that has a key."""
        file = Path("calls.jsonl")
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [line for line in lines if key in line]

    def told(self) -> list[tuple[str, float | None]]:
        """The states and values of Optuna's trials."""
        from frozenvl.sweep.spec import read_spec
        from frozenvl.sweep.study import SweepStudy

        spec = read_spec(Path("sweep.yaml"))
        return [(trial.state.name, trial.value) for trial in SweepStudy(spec, spec.folder).study.trials]

    def began(self) -> list[str]:
        """The run of each fit that was begun, in the order of names."""
        return sorted(call["run"] for call in self.calls("start"))


def until(holds: Callable[[], Any], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
