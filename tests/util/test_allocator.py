"""The C library's allocator, told to keep what was freed."""

from __future__ import annotations

import ctypes
import sys
from types import SimpleNamespace

import pytest

from frozenvl.util.allocator import M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, keep_freed_memory


@pytest.fixture
def told(monkeypatch) -> dict[int, int]:
    """What the C library is told."""
    options: dict[int, int] = {}
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=options.__setitem__))
    return options


def test_large_blocks_are_neither_mapped_apart_nor_given_back(told, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    keep_freed_memory()
    assert told.keys() == {M_MMAP_THRESHOLD, M_TRIM_THRESHOLD}
    assert all(2**30 <= size < 2**31 for size in told.values())


def test_elsewhere_nothing_happens(told, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    keep_freed_memory()
    assert told == {}


def test_a_c_library_without_such_options_is_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    keep_freed_memory()
