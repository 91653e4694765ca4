"""Claims of names among processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

from frozenvl.util.claims import Claims

CONTEXT = multiprocessing.get_context("fork")


def hold(path: Path, names: list[str], pipe) -> None:
    claims = Claims(path)
    pipe.send(claims.take(names, 9))
    while (released := pipe.recv()) is not None:
        claims.release(released)
        pipe.send(True)


def test_a_name_belongs_to_one_process_until_it_is_released_or_the_process_is_killed(tmp_path):
    path = tmp_path / "folder" / "claims"
    here, there = CONTEXT.Pipe()
    other = CONTEXT.Process(target=hold, args=(path, ["a", "b", "c"], there))
    other.start()
    assert here.recv() == ["a", "b", "c"]
    claims = Claims(path)
    assert claims.take(["a", "x", "b", "y", "z"], 2) == ["x", "y"]
    here.send(["b"])
    assert here.recv() and claims.take(["a", "b"], 9) == ["b"]
    os.kill(other.pid, signal.SIGKILL)
    other.join(20)
    assert claims.take(["a", "c"], 9) == ["a", "c"] and path.stat().st_size == 0


def test_a_forked_process_has_no_claims_of_its_parent(tmp_path):
    claims = Claims(tmp_path / "claims")
    assert claims.take(["a"], 1) == ["a"]
    here, there = CONTEXT.Pipe()
    child = CONTEXT.Process(target=lambda: there.send(claims.take(["a", "b"], 9)))
    child.start()
    assert here.recv() == ["b"]
    child.join(20)
    assert claims.take(["a"], 1) == ["a"]
