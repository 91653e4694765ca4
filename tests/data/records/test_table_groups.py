"""Rows of the same image, joined."""

from __future__ import annotations

import pytest

from frozenvl.data.records.caption_table import CaptionTable
from frozenvl.data.records.table_groups import TableGroups
from frozenvl.util.errors import UserError


def read(folder, text: str, split: str | None = None, **options) -> TableGroups:
    (folder / "t").write_text(text)
    return TableGroups(CaptionTable(folder / "t", **options), split)


def content_of(groups: TableGroups) -> list[tuple[int, str, tuple[str, ...]]]:
    return [(place, row.image, row.captions) for place, row in (groups[n] for n in range(len(groups)))]


def test_rows_are_joined_in_the_order_in_which_images_first_appear(tmp_path):
    groups = read(tmp_path, "b.jpg\t1\na.jpg\t2\n\nb.jpg\t3\nc.jpg\t4\na.jpg\t5\nb.jpg\t6\n")
    assert content_of(groups) == [
        (0, "b.jpg", ("1", "3", "6")),
        (1, "a.jpg", ("2", "5")),
        (4, "c.jpg", ("4",)),
    ]
    assert groups.targets == [3, 2, 1] and groups[-1] == groups[2] and groups.notes == {}
    assert groups.first_images() == ["b.jpg", "a.jpg", "c.jpg"]
    with pytest.raises(IndexError):
        groups[3]


def test_lists_of_captions_are_counted(tmp_path):
    groups = read(tmp_path, '["a", "b"]\t1.jpg\n["c"]\t2.jpg\n["d"]\t1.jpg\n')
    assert groups.targets == [3, 1] and groups[0][1].captions == ("a", "b", "d")


def test_a_row_that_cannot_be_used_is_a_group_of_its_own(tmp_path):
    groups = read(tmp_path, "1.jpg\ta\n1.jpg\t\n1.jpg\tb\n")
    assert content_of(groups) == [(0, "1.jpg", ("a", "b")), (1, "1.jpg", ())]
    assert groups[1][1].problem == "no caption" and groups.targets == [2, 1]


def test_a_number_given_twice_is_a_problem(tmp_path):
    groups = read(tmp_path, "1.jpg#0\ta\n2.jpg#0\ta\n1.jpg#1\ta\n1.jpg#0\tb\n1.jpg#0\ta\n")
    assert content_of(groups)[:2] == [(0, "1.jpg", ("a", "a")), (1, "2.jpg", ("a",))]
    assert [groups[n][1].problem for n in (2, 3)] == [
        "1.jpg has another caption with the number 0 in row 1",
        "1.jpg has another caption with the number 0 in row 4",
    ]


def test_a_split_keeps_rows_without_an_image(tmp_path):
    groups = read(tmp_path, "image,caption,split\n1.jpg,a,x\n2.jpg,b,y\n,c,y\nd\n3.jpg,e,x\n3.jpg,f,x\n", "y")
    problems = [groups[n][1].problem for n in range(len(groups))]
    assert problems == ["", "no image file", "it has 1 column, not 3"]
    assert groups.notes == {"images of other splits left out": 2}


def test_an_image_with_two_ids_is_refused(tmp_path):
    options = {"columns": {"id": 1, "image": 2, "caption": 3}}
    assert read(tmp_path, "7\t1.jpg\ta\n8\t2.jpg\tb\n7\t1.jpg\tc\n", **options)[0][1].id == "7"
    with pytest.raises(UserError, match=r"t: 1.jpg has two ids \(7, 9\)"):
        read(tmp_path, "7\t1.jpg\ta\n8\t2.jpg\tb\n9\t1.jpg\tc\n", **options)
