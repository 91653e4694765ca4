"""Sizes of feature caches."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest

from frozenvl.training.feature_budget import FeatureBudget, gigabytes, size_limit
from frozenvl.util.errors import UserError


@pytest.fixture(autouse=True)
def disk(monkeypatch):
    """A disk with 50 GB free."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=50 * 10**9))


def test_the_default_limit_is_what_is_stored_and_a_fifth_of_the_free_disk(tmp_path):
    assert size_limit(None, tmp_path / "missing" / "folder") == 10 * 10**9
    (tmp_path / "a.safetensors").write_bytes(bytes(1000))
    assert size_limit(None, tmp_path) == 10 * 10**9 + 1000
    assert size_limit(0, tmp_path) == 0 and size_limit(50, tmp_path) == 50 * 10**9


def test_a_limit_that_the_disk_has_no_room_for_is_refused(tmp_path):
    with pytest.raises(
        UserError, match=r"^model.feature_cache_gb is 50.1, but .* has room for 50 GB; lower it"
    ):
        size_limit(50.1, tmp_path / "key")
    with pytest.raises(UserError, match=r"^model.feature_cache_gb is -1; give 0"):
        size_limit(-1, tmp_path)


def test_the_size_is_said_before_anything_is_written():
    fits = FeatureBudget(images=118_287, row=2560, limit=10**9)
    assert str(fits) == (
        "features of 118,287 images × 2,560 bytes = 0.303 GB; their cache may take 1 GB (model.feature_cache_gb)"
    )
    fits.check_all_fit("a head")
    limber = FeatureBudget(images=3_000_000, row=144 * 3072 * 2, limit=10**10)
    start = "features of 3,000,000 images × 884,736 bytes = 2,654 GB; their cache may take 10 GB "
    assert str(limber).startswith(start)
    assert str(limber).endswith(", so 2,988,698 images are encoded each time they are read")
    with pytest.raises(
        UserError, match=r"^a head reads the features of all 3,000,000 images .* 2,654 GB, .* 10 GB; "
    ):
        limber.check_all_fit("a head")


def test_sizes_are_printed_in_a_fitting_unit():
    assert [gigabytes(size) for size in (10**8, 10**7, 2500)] == ["0.1 GB", "10 MB", "0.0025 MB"]
