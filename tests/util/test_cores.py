"""Processor cores."""

from __future__ import annotations

import os

from frozenvl.util.cores import available_cores


def test_cores_of_this_process_are_counted_where_the_system_tells_them(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 6}, raising=False)
    assert available_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS
    monkeypatch.setattr(os, "cpu_count", lambda: 10)
    assert available_cores() == 10
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores() == 1
