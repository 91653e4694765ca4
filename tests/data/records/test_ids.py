"""Ids of two files that are spelt differently."""

from __future__ import annotations

import pytest

from frozenvl.data.records.ids import Ids


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("77", "77"),
        ("077", "77"),
        ("000000000077", "77"),
        ("77.jpg", "77"),
        ("val2014/COCO_val2014_000000000077.jpg", "77"),
        ("b.jpg", "5"),
        ("b", "5"),
        ("images/b.jpg", "5"),
        ("b.txt", None),
        ("7", None),
        ("coco_77", None),
    ],
)
def test_an_id_is_found_by_file_name_and_without_leading_zeros(key, found):
    assert Ids([("77", "a.jpg"), ("5", "b.jpg")]).find(key) == found


def test_an_exact_id_comes_first_and_an_ambiguous_one_is_not_guessed():
    ids = Ids([("7", ""), ("07", ""), ("1", "2.jpg"), ("2", "1.jpg")])
    assert [ids.find(key) for key in ("7", "07", "007", "1", "1.jpg")] == ["7", "07", None, "1", None]
    assert "7" in ids and "007" not in ids


def test_a_number_is_not_taken_for_the_name_of_a_file():
    """Karpathy's Flickr30k has image 0 in 1000092795.jpg, and some data sets number both."""
    ids = Ids([("0", "1.jpg"), ("1", "2.jpg"), ("2", "3.jpg")])
    assert [ids.find(key) for key in ("1", "3", "003", "3.jpg", "a/3.jpg")] == ["1", None, None, "2", "2"]
    assert ids.find("1.jpg") is None  # the file of image 0, or image 1


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("b/2.jpg", "b/2.jpg"),
        ("2.jpg", "b/2.jpg"),
        ("x/b/2.jpg", "b/2.jpg"),
        ("a/2.jpg", None),
        ("a/2", None),
        ("val2014/COCO_val2014_000000000077.jpg", "train2014/COCO_train2014_000000000077.jpg"),
    ],
)
def test_a_file_of_another_folder_is_another_file_except_cocos(key, found):
    files = ["b/2.jpg", "train2014/COCO_train2014_000000000077.jpg"]
    assert Ids((file, file) for file in files).find(key) == found
