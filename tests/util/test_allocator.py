"""Settings of the C library's allocator that keep freed memory."""

from __future__ import annotations

import ctypes
import sys
from types import SimpleNamespace

import pytest

from frozenvl.util.allocator import M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, keep_freed_memory


@pytest.fixture
def options_set(monkeypatch) -> dict[int, int]:
    """Options that the C library gets."""
    options: dict[int, int] = {}
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=options.__setitem__))
    return options


def test_large_blocks_are_neither_mapped_nor_returned_to_the_system(options_set, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    keep_freed_memory()
    assert options_set.keys() == {M_MMAP_THRESHOLD, M_TRIM_THRESHOLD}
    assert all(2**30 <= size < 2**31 for size in options_set.values())


def test_nothing_is_set_on_other_systems(options_set, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    keep_freed_memory()
    assert options_set == {}


def test_a_c_library_without_these_options_is_no_error(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    keep_freed_memory()
