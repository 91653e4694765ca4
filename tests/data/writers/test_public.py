"""Examples that a file of captions holds whole, and examples that need their record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tars import picture

from frozenvl.data.shards.record import as_record
from frozenvl.data.sources.coco_ids import content_id
from frozenvl.data.writers.public import public_id, public_texts, record_of
from frozenvl.prompt import Example, ImageFile, StoredImage

FILE = ImageFile(Path("/data/photos/a/1.jpg"))
PLAIN = Example("7", FILE, "photos/a/1.jpg", ("a dog", "the dog"))
STORED = StoredImage("t/000000001.jpg", "t#1", lambda: picture(1))


@pytest.mark.parametrize(
    "example",
    [
        PLAIN,
        replace(PLAIN, image_id="1.jpg"),
        Example("7", STORED, "t/000000001", ("a",)),
        Example("7", STORED, content_id(STORED), ("a",)),
    ],
    ids=["end of the path", "file name", "name without suffix", "content"],
)
def test_plain_captions_need_no_record(example):
    assert record_of(example, None) is None
    assert record_of(example, None, always=True) == as_record(example) | {"image_id": ""}
    assert record_of(example, "coco/1") == as_record(example)


def test_a_photograph_of_coco_is_told_by_its_file_name():
    example = replace(PLAIN, image_id="coco/42")
    assert record_of(example, "coco/42") is None and record_of(example, None) == as_record(example)


@pytest.mark.parametrize(
    "change",
    [
        {"question": "q?"},
        {"answer": "a dog"},
        {"kind": {"domain": "near"}},
        {"scores": {"a": 0.5}},
        {"choices": ("a", "b")},
        {"references": ()},
        {"references": ("a", "")},
        {"references": ("two\nlines",)},
        {"references": ("\ud800",)},
        {"id": ""},
        {"id": " 7"},
        {"id": "\ud800"},
    ],
    ids=repr,
)
def test_what_captions_do_not_hold_needs_the_record(change):
    example = replace(PLAIN, **change)
    assert record_of(example, None) == as_record(example) | {"image_id": ""}


def test_another_image_id_is_kept():
    for image_id in ("vg/1", "scenes/train/3", "7"):
        example = replace(PLAIN, image_id=image_id)
        assert record_of(example, None) == as_record(example)


def test_public_ids_and_texts():
    assert [public_id(replace(PLAIN, id=key), 3) for key in ("7", " a\nb ", "", " ")] == [
        "7",
        "a b",
        "example 3",
        "example 3",
    ]
    assert public_texts(replace(PLAIN, references=(" a\nb", "", "c"))) == ["a b", "c"]
    assert public_texts(replace(PLAIN, question="q?", answer="yes")) == ["yes"]
