"""Original bytes of images, and processing many items with a few threads."""

from __future__ import annotations

import os
import threading

import pytest
from tars import picture, sample, write_tar

from frozenvl.data.shards.contents import in_order, original
from frozenvl.data.sources.shards import Shards
from frozenvl.prompt import BlackImage, ImageFile, StoredImage
from frozenvl.util.errors import UnreadableImage


def test_original_bytes_come_from_a_file_a_tar_member_or_a_table(tmp_path, cache):
    (tmp_path / "a.jpg").write_bytes(picture(3))
    assert original(ImageFile(tmp_path / "a.jpg")) == picture(3)
    shards = Shards(str(write_tar(tmp_path / "a.tar", sample(5))))
    assert original(shards[0].image) == picture(5)
    assert original(StoredImage("a.jpg", "table#0", lambda: picture(4))) == picture(4)
    assert original(BlackImage()) is None
    with pytest.raises(UnreadableImage, match=r"nowhere.jpg"):
        original(ImageFile(tmp_path / "nowhere.jpg"))


def test_results_are_in_the_order_of_the_items(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    second = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert second.wait(10)  # the first item is done after the second
        if item == 1:
            second.set()
        return -item

    assert list(in_order(work, range(50))) == [-item for item in range(50)]


def test_few_items_are_prefetched(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    taken = []
    results = in_order(lambda item: item, (taken.append(n) or n for n in range(1000)))
    assert next(results) == 0 and len(taken) <= 4 * 2 + 1
    results.close()


def test_an_error_is_raised_at_the_place_of_its_item():
    results = in_order(lambda item: 1 // item, [1, 1, 0])
    assert [next(results), next(results)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
