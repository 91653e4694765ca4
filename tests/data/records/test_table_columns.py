"""Columns of the image and the caption."""

from __future__ import annotations

import pytest

from frozenvl.data.records.table_columns import as_list, find_columns
from frozenvl.util.errors import UserError


def places(rows, given=None, **options):
    columns = find_columns(rows, len(rows[0]), given or {}, **options)
    return columns.header, columns.image, *columns.captions


@pytest.mark.parametrize("header", [[], [["caption", "file"]]], ids=["no header", "header"])
def test_two_columns_are_told_apart_by_their_content(header):
    rows = [["a dog", "1.jpg"], ["a cat", "2.jpg"]]
    assert places(header + rows) == (bool(header), 1, 0)
    assert places([row[::-1] for row in header + rows]) == (bool(header), 0, 1)


def test_files_without_a_suffix_are_recognised_if_they_exist():
    rows = [["7", "a dog"], ["8", "a cat"]]
    assert places(rows, is_image={"7", "8"}.__contains__) == (False, 0, 1)
    with pytest.raises(UserError, match="neither column names image files"):
        places(rows, is_image={"7"}.__contains__)


def test_given_columns_count():
    rows = [["7", "a dog", "1.jpg"], ["8", "a cat", "2.jpg"]]
    assert places(rows, {"image": 3, "caption": 2}) == (False, 2, 1)
    assert places([["a.jpg", "b.jpg"]], {"image": 2}) == (False, 1, 0)
    assert places([["a.jpg", "b.jpg"]], {"caption": 2}) == (False, 0, 1)
    assert places([["id", "en", "image"], *rows], {"caption": "en"}) == (True, 2, 1)
    assert places([["x", "y"], *(row[1:] for row in rows)], {"image": 2, "caption": 1}, header=True) == (
        True,
        1,
        0,
    )
    assert places([["x", "y"], *(row[1:] for row in rows)], header=False) == (False, 1, 0)
    assert places([["a.jpg", "x", "y"]], {"image": 1, "caption": [3, 2]}) == (False, 0, 2, 1)
    assert places([["file", "en", "de"], ["a.jpg", "x", "y"]], {"caption": ["de", "en"]}) == (True, 0, 2, 1)
    assert places([["Caption 1", "file", "Caption 2", "text_1"], ["x", "a.jpg", "y", "z"]]) == (True, 1, 0, 2)
    assert find_columns(rows, 3, {"image": 3, "caption": 2, "id": 1}).id == 0


@pytest.mark.parametrize(
    ("rows", "given", "options", "message"),
    [
        ([["a", "1.jpg"]], {"img": 2}, {}, "unknown 'img'; give caption, image, id, number, split"),
        ([["a", "1.jpg"]], {"image": 1, "caption": 1}, {}, "share a column"),
        ([["a", "1.jpg"]], {"image": 2, "caption": [1, 1]}, {}, "share a column"),
        ([["a", "1.jpg"]], {"image": [1, 2]}, {}, "image is 2 columns; give one"),
        ([["a", "1.jpg"]], {"caption": []}, {}, "caption is 0 columns; give one"),
        ([["7", "a", "1.jpg"]], {}, {}, r"has 3 columns, .*\{image: 3, caption: N\}"),
        ([["7", "a", "1.jpg"]], {}, {"fixed": True}, r"has 3 columns"),
        ([["1.jpg", "a"]], {}, {"fixed": True}, r"swapped: every caption is named like an image file"),
        ([["1.jpg", "a"]], {}, {"fixed": True, "is_image": "1.jpg".__eq__}, r"every caption is a file that exists"),
        ([["x", "y"], ["a", "1.jpg"]], {}, {}, r"looks like a header .*\{image: 2, caption: 1\}, and header"),
        ([["x", "y"], ["a", "1.jpg"]], {}, {"fixed": True}, "looks like a header"),
        ([["x", "y"], ["a", "1.jpg"]], {"image": 2, "caption": 1}, {}, "looks like a header"),
        ([["a", "http://x/1.jpg"]], {"image": 2, "caption": 1}, {}, "holds addresses"),
        ([["7", "a", "http://x/1.jpg"]], {}, {}, "holds addresses"),
        ([["a", "1.jpg"]], {}, {"header": True}, "no column is named like the image"),
        ([["['a', 'b']", "1.jpg"]], {}, {}, "not all are JSON lists of texts"),
        ([['["a"]', "1.jpg"], ['["a", 7]', "2.jpg"]], {}, {}, "not all are JSON lists of texts"),
    ],
    ids=range(17),
)  # fmt: skip
def test_columns_that_are_not_clear_are_refused(rows, given, options, message):
    with pytest.raises(UserError, match=message):
        places(rows, given, **options)


def test_the_writing_of_fields_is_recognised():
    plain = find_columns([["1.jpg", "[a dog]"], ["2.jpg#1", "b"]], 2, {})
    assert (plain.numbered, plain.lists) == (False, False)
    other = find_columns([["1.jpg#0", '["a", "b"]'], ["x#12", '["c"]']], 2, {})
    assert (other.numbered, other.lists) == (True, True)


def test_a_few_bad_rows_do_not_change_the_columns():
    rows = [["1.jpg#0", '["a"]']] * 18 + [["", "[]"], ["2.jpg", "none"]]
    columns = find_columns(rows, 2, {})
    assert (columns.image, columns.captions, columns.numbered, columns.lists) == (0, (1,), True, True)
    assert find_columns([*rows[:2], ["x", ""]], 2, {"image": 1}).lists


@pytest.mark.parametrize(
    ("field", "texts"),
    [('["a", "b"]', ["a", "b"]), ("[]", []), ('["a", 1]', None), ('"a"', None), ("['a']", None), ("[" * 10**5, None)],
    ids=range(6),
)  # fmt: skip
def test_a_json_list_of_texts_is_read(field, texts):
    assert as_list(field) == texts
