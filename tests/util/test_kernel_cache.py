"""Settings of oneDNN."""

from __future__ import annotations

import os

from frozenvl.util.kernel_cache import CAPACITY, limit_kernel_cache


def test_few_kernels_are_kept_unless_the_user_says_how_many(monkeypatch):
    monkeypatch.delenv(CAPACITY, raising=False)
    limit_kernel_cache()
    assert os.environ[CAPACITY] == "64"
    monkeypatch.setenv(CAPACITY, "1024")
    limit_kernel_cache()
    assert os.environ[CAPACITY] == "1024"
