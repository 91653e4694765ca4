"""Workers on one machine, and the live table of their runs."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest
from rich.console import Console
from sweeping import FAKE

from frozenvl.sweep.grid import Point, SweepRun
from frozenvl.sweep.pool import as_table, run_workers, threads_each
from frozenvl.sweep.preflight import open_sweep
from frozenvl.sweep.spec import read_spec
from frozenvl.sweep.state import RunState, read_runs
from frozenvl.sweep.study import SweepStudy
from frozenvl.sweep.worker import Worker
from frozenvl.util.errors import UserError

DONE = {"trained_parameters": 3, "pairs_per_second": 12.34, "minutes": 2.0}


@pytest.mark.parametrize(("jobs", "each"), [(1, 6), (2, 3), (4, 1), (9, 1)])
def test_workers_share_the_cores(monkeypatch, jobs, each):
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    assert threads_each(jobs) == each
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert threads_each(jobs) == 0, "as the environment says"


def made(sweep, **changes) -> Worker:
    spec = read_spec(sweep.write(**changes))
    callbacks = [{"init_args": {"save_last": True}}]
    configuration = {"model": {"k": 1}, "data": {"batch_size": 64}, "trainer": {"callbacks": callbacks}}
    open_sweep(spec, {}, lambda: lambda arguments: configuration | {"fake": {"seconds": 0}})
    return Worker(SweepStudy(spec), {}, 64, program=(sys.executable, str(FAKE)))


def test_threads_run_each_run_once_and_the_report_is_written(sweep, capsys):
    assert run_workers(made(sweep, set={"fake.seconds": 0.01}), 3, None) == 0
    printed = capsys.readouterr()
    assert "4 of 4 runs done" in printed.out and "k2-seed1: done captions/CIDEr 2.1" in printed.err
    assert sweep.began() == ["k1-seed0", "k1-seed1", "k2-seed0", "k2-seed1"]
    assert Path("runs/try/report/report.html").exists()


def test_a_signal_ends_all_threads(sweep, capsys):
    worker = made(sweep, set={"fake.seconds": 2})
    timer = threading.Timer(2.0, setattr, (worker, "signal", signal.SIGTERM))
    timer.start()
    assert run_workers(worker, 2, None) == 128 + signal.SIGTERM
    assert "interrupted; finished runs are kept" in capsys.readouterr().err
    states = read_runs(Path("runs/try"), "captions/CIDEr")
    assert [state.state for state in states] == ["interrupted"] * 2


def test_a_metric_that_no_run_has_is_an_error(sweep):
    with pytest.raises(UserError, match=r"the metric captions/CIDer is not among its scores"):
        run_workers(made(sweep, metric="captions/CIDer", set={"fake.seconds": 0.2}), 2, None)


def state(k, seed, state, value=None, cost=None, seconds=0.0, doing=""):
    run = SweepRun(Point("", {"model.k": k}), seed)
    folder = Path("runs/try") / run.name
    folder.mkdir(parents=True)
    os.utime(folder, (0, 0))  # equal times keep the given order
    return RunState(run, folder, state, doing or state, 40, value, cost or {}, seconds)


def drawn(spec, states) -> str:
    console = Console(width=120, record=True)
    console.print(as_table(spec, states))
    return console.export_text()


def test_running_runs_come_first_with_their_activity(sweep):
    spec = read_spec(sweep.write(seeds=[0, 1, 2]))
    states = [
        state(1, 0, "done", 0.25, DONE, 240.0),
        state(2, 0, "done", 0.5, DONE, 240.0),
        state(1, 1, "running", None, DONE, 120.0, "scoring on node7"),
        state(2, 1, "running", None, {}, 60.0, "fitting on node7"),
        state(1, 2, "failed"),
    ]
    text = drawn(spec, states)
    rows = [line for line in text.splitlines() if "-seed" in line]
    assert "k1-seed1" in rows[0] and "scoring on node7" in rows[0]
    assert "k2-seed1" in rows[1] and "fitting on node7" in rows[1] and "40" in rows[1]
    assert "failed" in rows[2] and "0.25" in rows[3] + rows[4] and "12.3" in rows[3] and "4.0" in rows[3]
    # Four runs of four minutes each are left, of which three minutes are done: 13 minutes for two workers.
    assert "try: 2 of 6 done, 2 running, 1 failed, about 6 minutes left" in " ".join(text.split())


def test_of_many_runs_the_latest_are_shown(sweep):
    spec = read_spec(sweep.write(seeds=list(range(40))))
    text = drawn(spec, [state(1, seed, "done", 0.1, DONE) for seed in range(39)] + [state(1, 39, "running")])
    rows = [line for line in text.splitlines() if "-seed" in line]
    assert len(rows) == 24 and "k1-seed39" in rows[0]
