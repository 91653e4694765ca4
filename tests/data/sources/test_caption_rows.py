"""Rows of a list with an image and its captions: ids, patterns, fields."""

from __future__ import annotations

import json

import pytest

from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.sources.caption_rows import caption_fields, caption_rows, field_of, image_fields, image_key
from frozenvl.data.sources.captions import Captioned
from frozenvl.util.errors import UserError


def read(tmp_path, *rows, pattern="{image}", caption="caption", named=True) -> list[Captioned]:
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    file = RecordFile(tmp_path / "rows.json", "rows", named=named)
    with file.reading():
        return [*caption_rows(file, file.records(), pattern, caption)]


@pytest.mark.parametrize(
    ("name", "given", "key"),
    [
        ("val2014/COCO_val2014_000000522418.jpg", "coco_522418", "522418"),
        ("val2014/COCO_val2014_000000522418.jpg", "", "522418"),
        ("000000000009.jpg", "", "9"),
        ("COCO_val2014_000000522418.jpg", "3", "3"),
        ("COCO_val2014_000000522418.jpg", "coco_3", "coco_3"),
        ("flickr30k-images/1007129816.jpg", "", "flickr30k-images/1007129816.jpg"),
        ("val/0013ea2087020901.jpg", "0", "0"),
    ],
)
def test_the_id_is_the_given_one_or_cocos_number_or_the_file(name, given, key):
    assert image_key(name, given) == key


def test_rows_of_an_image_are_joined_in_the_order_of_first_rows(tmp_path):
    rows = [
        {"image": "b.jpg", "caption": " two\ndogs "},
        {"image": "a.jpg", "caption": ["a cat", "cat"], "img_id": 4, "domain": "in-domain"},
        {"image": "b.jpg", "caption": "dogs"},
    ]
    assert read(tmp_path, *rows) == [
        Captioned("b.jpg", "b.jpg", ("two dogs", "dogs")),
        Captioned("4", "a.jpg", ("a cat", "cat"), {"domain": "in-domain"}),
    ]


def test_a_pattern_makes_the_file_name_of_an_id(tmp_path):
    row = {"image_id": 77, "caption": "a dog"}
    (found,) = read(tmp_path, row, pattern="COCO_val2014_{image_id:012d}.jpg")
    assert found == Captioned("77", "COCO_val2014_000000000077.jpg", ("a dog",))


def test_without_a_field_of_captions_there_are_none(tmp_path):
    assert read(tmp_path, {"image": "a.jpg"}, caption=None) == [Captioned("a.jpg", "a.jpg", ())]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"image": "b.jpg", "caption": None}, r"record \[1\] \(image b.jpg\): 'caption' is null, not a text"),
        ({"image": "b.jpg", "caption": " "}, r"record \[1\] \(image b.jpg\): 'caption' is an empty text"),
        ({"image": "b.jpg", "caption": ["x", ""]}, r"record \[1\] .*caption\[1\] is an empty text"),
        ({"image": "b.jpg", "caption": []}, r"record \[1\] .*'caption' is an empty list"),
        ({"image": "b.jpg"}, r"record \[1\] \(image b.jpg\): has no 'caption'"),
        ({"caption": "x"}, r"record \[1\]: has no 'image'"),
        ({"image": None, "caption": "x"}, r"record \[1\]: 'image' is null"),
        ({"image": "a.jpg", "caption": "x", "image_id": 8}, "image a.jpg has two ids, 7 and 8"),
        ({"image": "c.jpg", "caption": "x", "image_id": 7}, "image 7 is described twice in different ways"),
    ],
    ids=["null", "empty", "empty in list", "empty list", "missing", "no image", "null image", "ids", "files"],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path, second, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, {"image": "a.jpg", "caption": "x", "image_id": 7}, second)


def test_all_bad_rows_are_named_at_once(tmp_path):
    rows = [{"image": f"{n}.jpg", "caption": text} for n, text in enumerate(["a", None, "b", 7])]
    with pytest.raises(
        UserError, match=r"(?s)2 problems.*1\.jpg\): 'caption' is null.*3\.jpg\): 'caption' is a number"
    ):
        read(tmp_path, *rows)


def test_addresses_point_to_img2dataset_but_can_be_scored(tmp_path):
    row = {"image": "https://example.org/1.jpg", "caption": "a dog"}
    with pytest.raises(UserError, match=r"rows.json: holds addresses, not files; .*img2dataset"):
        read(tmp_path, row)
    (found,) = read(tmp_path, row, named=False)
    assert found.captions == ("a dog",)


@pytest.mark.parametrize("pattern", ["a.jpg", "{a}/{b}.jpg", "{}.jpg", "{a"])
def test_a_pattern_needs_one_field(pattern):
    with pytest.raises(UserError, match="needs one field of the records in braces"):
        field_of(pattern)


def test_the_field_of_a_pattern():
    assert field_of("x/{image/key}.jpg") == field_of("{image/key:0>12}") == "image/key"


@pytest.mark.parametrize(
    ("row", "images", "captions"),
    [
        ({"image": "a", "caption": "x"}, ["image"], ["caption"]),
        ({"file_name": "a.jpg", "text": "x"}, ["file_name"], ["text"]),
        ({"image_file": "a.jpg", "description": "x"}, ["image_file"], ["description"]),
        (
            {"image": "a.jpg", "file": "b.jpg", "caption": "x", "text": "y"},
            ["image", "file"],
            ["caption", "text"],
        ),
        ({"image_id": "a.jpg", "caption": ["x"]}, ["image_id"], ["caption"]),
        ({"image_id": "a.jpg", "caption": "x"}, [], ["caption"]),
        ({"image_id": 1, "caption": ["x"]}, [], ["caption"]),
        ({"image": 1, "title": "x"}, [], []),
    ],
    ids=["BLIP", "HF", "DOCCI", "several", "AIC", "results by file", "results", "neither"],
)
def test_fields_are_known_by_name(row, images, captions):
    assert (image_fields(row), caption_fields(row)) == (images, captions)
