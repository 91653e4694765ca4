"""Worker processes on one machine."""

from __future__ import annotations

import os

import pytest

from frozenvl.sweep.pool import threads_each


@pytest.mark.parametrize(("jobs", "each"), [(1, 6), (2, 3), (4, 1), (9, 1)])
def test_workers_share_the_cores(monkeypatch, jobs, each):
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    assert threads_each(jobs) == each
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert threads_each(jobs) == 0, "as the environment says"
