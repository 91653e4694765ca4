"""Leases: one worker has a run, and another takes it over if that one is gone."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from sweeping import until

from frozenvl.sweep import lease as leases
from frozenvl.sweep.lease import claim, last_attempt, this_host


def write(folder, number, **content):
    file = folder / "attempts" / f"{number}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"host": "elsewhere", "pid": 1} | content))
    return file


def test_one_of_many_threads_gets_a_run(tmp_path):
    for number in range(1, 6):
        with ThreadPoolExecutor(8) as pool:
            (lease,) = [lease for lease in pool.map(lambda _: claim(tmp_path), range(16)) if lease]
        assert lease.number == number and claim(tmp_path) is None
        lease.end("interrupted")


def test_a_lease_survives_a_failed_heartbeat(tmp_path, monkeypatch):
    """Touching the file fails once, as when a network disk is away for a moment."""
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.0)
    lease, tried = claim(tmp_path), []

    def utime(path, times=None, real=os.utime):
        tried.append(path)
        if len(tried) == 1:
            raise OSError("stale file handle")
        real(path, times)

    monkeypatch.setattr(os, "utime", utime)
    assert lease.beat() and lease.beat() and len(tried) == 2


def _race(folder, start, won):
    start.wait()
    won.put(claim(folder) is not None)


def test_one_of_many_processes_takes_over_the_run_of_a_dead_one(tmp_path):
    write(tmp_path, 1, host=this_host(), pid=dead_process())
    context = multiprocessing.get_context("fork")
    start, won = context.Barrier(6), context.Queue()
    racers = [context.Process(target=_race, args=(tmp_path, start, won)) for _ in range(6)]
    for racer in racers:
        racer.start()
    results = [won.get(timeout=30) for _ in racers]
    for racer in racers:
        racer.join()
    # The winner may have exited before the slowest process looked, which then takes over the winner's attempt.
    assert sum(results) == last_attempt(tmp_path).number - 1 >= 1


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_another_machines_run_is_taken_over_once_its_heartbeat_is_old(tmp_path):
    file = write(tmp_path, 1)
    assert claim(tmp_path) is None
    os.utime(file, (time.time() - 61,) * 2)
    lease = claim(tmp_path)
    assert lease is not None and lease.number == 2


def test_ages_are_measured_by_the_file_systems_clock(tmp_path, monkeypatch):
    """A machine whose clock is an hour ahead takes nothing over."""
    write(tmp_path, 1)
    late = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: late)
    assert claim(tmp_path) is None


def test_a_dead_process_of_this_machine_is_noticed_at_once(tmp_path):
    write(tmp_path, 1, host=this_host(), pid=dead_process())
    assert claim(tmp_path) is not None


def test_a_lease_is_kept_alive_and_ends(tmp_path, monkeypatch):
    lease = claim(tmp_path)
    assert lease is not None
    os.utime(lease.path, (0, 0))
    assert lease.beat() and lease.path.stat().st_mtime == 0, "it is not due yet"
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.02)
    until(lambda: lease.beat() and lease.path.stat().st_mtime > 1)
    lease.end("done")
    assert last_attempt(tmp_path).number == 1
    assert last_attempt(tmp_path).content == {"host": this_host(), "pid": os.getpid(), "ended": "done"}


def test_a_worker_learns_that_its_run_was_taken_over(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.0)
    lease = claim(tmp_path)
    assert lease is not None and lease.beat()
    write(tmp_path, 2)
    assert not lease.beat()
    lease.end("done")
    assert "ended" not in json.loads(lease.path.read_text()), "the run is another's"


def test_an_attempt_file_without_content_counts_as_taken(tmp_path):
    write(tmp_path, 1).write_text("")
    assert claim(tmp_path) is None
