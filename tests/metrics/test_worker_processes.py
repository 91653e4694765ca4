"""Work in several processes, and here if they end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from frozenvl.metrics import worker_processes
from frozenvl.metrics.worker_processes import results_of

HERE = os.getpid()


def squared(number: int) -> tuple[int, int]:
    return number**2, os.getpid()


def fragile(number: int) -> int:
    """Ends its process, unless it is the first one."""
    if number == 3 and os.getpid() != int(os.environ["FIRST_PROCESS"]):
        os._exit(1)
    return number


def test_results_are_in_order_and_come_from_other_processes():
    numbers, processes = zip(*results_of(squared, range(20), 2), strict=True)
    assert numbers == tuple(number**2 for number in range(20))
    assert HERE not in processes and 1 <= len({*processes}) <= 2


@pytest.mark.parametrize(("pieces", "processes"), [([1, 2, 3], 1), ([1], 4), ([], 4)])
def test_one_process_or_piece_is_computed_here(pieces, processes):
    assert [*results_of(squared, pieces, processes)] == [(n**2, HERE) for n in pieces]


def test_what_a_process_that_ended_has_not_computed_is_computed_here(monkeypatch):
    monkeypatch.setenv("FIRST_PROCESS", str(HERE))
    assert [*results_of(fragile, range(6), 2)] == [*range(6)]


def test_without_processes_all_is_computed_here(monkeypatch):
    def refuse(*args, **options):
        raise OSError("no semaphores")

    monkeypatch.setattr(worker_processes, "ProcessPoolExecutor", refuse)
    assert [*results_of(squared, [1, 2, 3], 2)] == [(n**2, HERE) for n in (1, 2, 3)]


def test_an_error_of_the_work_is_raised():
    with pytest.raises(TypeError):
        [*results_of(squared, ["a", "b"], 2)]


def test_the_module_of_caption_words_imports_no_torch():
    """Each process imports it."""
    code = "import sys, frozenvl.metrics.caption_words; print({'torch', 'transformers'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"


KILLED = """
import os, time
from pathlib import Path
from frozenvl.metrics.worker_processes import results_of

def wait(number):
    Path(f"{os.getpid()}.process").touch()
    time.sleep(60)

if __name__ == "__main__":
    print([*results_of(wait, [1, 2], 2)])
"""


def running(process: int) -> bool:
    """Tells whether a process runs. One that has ended may remain as a zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_processes_end_when_the_first_one_is_killed(tmp_path):
    (tmp_path / "killed.py").write_text(KILLED)
    with subprocess.Popen([sys.executable, "killed.py"], cwd=tmp_path) as first:
        until = time.monotonic() + 60
        while len(others := [*tmp_path.glob("*.process")]) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        first.kill()
    processes = [int(path.stem) for path in others]
    until = time.monotonic() + 30
    while any(map(running, processes)) and time.monotonic() < until:
        time.sleep(0.05)
    assert len(processes) == 2 and not any(map(running, processes))
