"""Names of columns."""

from __future__ import annotations

import pytest

from frozenvl.data.records.table_header import find_named, find_place, is_header, unnamed
from frozenvl.util.errors import UserError


@pytest.mark.parametrize(
    ("fields", "given", "expected"),
    [
        (["image_name", " comment_number", " comment"], {}, True),
        (["raw", "sentids", "split", "filename", "img_id"], {}, True),
        (["FilePath", "Title"], {}, True),
        (["caption", "url"], {}, True),
        (["caption_0", "caption_1", "file_name"], {}, True),
        (["image", "score1"], {}, False),
        (["image", "score"], {}, False),
        (["a dog", "1.jpg"], {}, False),
        (["pic", "words"], {"image": "PIC", "caption": "words"}, True),
        (["pic", "words"], {"image": "pic", "caption": "text"}, False),
        (["image", "text"], {"image": 1}, True),
    ],
)
def test_a_header_is_recognised_by_its_names(fields, given, expected):
    assert is_header(fields, given) is expected


@pytest.mark.parametrize(("column", "place"), [("Key", 0), (" file ", 1), (3, 2), ("3", 2), ("2", 3)])
def test_a_column_is_given_by_name_or_number(column, place):
    assert find_place(["key", "File", "text", "2"], column, True, 4) == place


@pytest.mark.parametrize(
    ("column", "named", "message"),
    [
        ("name", True, r"no column is named 'name'; the first row is 'key' \| 'file' \| 'file'"),
        ("key", False, "no column is named 'key'"),
        ("file", True, "several columns are named 'file'; give a number"),
        (0, True, "no column 0; the table has 3, counted from 1"),
        (4, False, "no column 4"),
        (-1, True, "no column -1"),
    ],
)
def test_a_column_that_is_not_there_is_refused(column, named, message):
    with pytest.raises(UserError, match=message):
        find_place(["key", "file", "file"], column, named, 3)


def test_known_names_have_roles():
    header = ["id", "Image", "comment_number", "caption", "split"]
    assert [find_named(header, role) for role in ("image", "caption", "number", "split")] == [
        [1],
        [3],
        [2],
        [4],
    ]
    assert find_named(["id", "score"], "image") == []
    assert find_named(["caption_1", "x", "caption 2", "text1"], "caption") == [0, 2]
    with pytest.raises(
        UserError, match=r"could be the image \(path, file\); give columns, .*\{image: path\}"
    ):
        find_named(["path", "file"], "image")


def test_a_header_without_images_names_what_to_give():
    assert unnamed(["a", "caption"], "image").startswith("no column is named like the image; give columns")
    assert "img2dataset" in unnamed(["URL", "caption"], "image")
