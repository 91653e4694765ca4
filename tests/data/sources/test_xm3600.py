"""Crossmodal-3600 as published."""

from __future__ import annotations

import json

import pytest
from published_layouts import CONTENTS, recognised

from frozenvl.data.sources.xm3600 import XM3600
from frozenvl.util.errors import UserError

ROWS = [
    {
        "image/key": key,
        "image/locale": "de",
        "en": {"caption": [f"a dog {key}", f"the dog {key}"], "caption/tokenized": ["a", "dog"]},
        "de": {"caption": [f"ein Hund {key}"]},
    }
    for key in ("00ff", "00ab")
]


def read(folder, rows, **options) -> XM3600:
    (folder / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return XM3600(str(folder / "captions.jsonl"), str(folder), **options)


def test_captions_of_the_chosen_language_are_read(tmp_path):
    english, german = read(tmp_path, ROWS), read(tmp_path, ROWS, locale="de")
    assert [(e.id, e.image.path, e.references) for e in english] == [
        ("00ff", tmp_path / "00ff.jpg", ("a dog 00ff", "the dog 00ff")),
        ("00ab", tmp_path / "00ab.jpg", ("a dog 00ab", "the dog 00ab")),
    ]
    assert [e.references for e in german] == [("ein Hund 00ff",), ("ein Hund 00ab",)]


def test_images_without_the_language_are_counted(tmp_path):
    source = read(tmp_path, [*ROWS, {"image/key": "00ee", "de": {"caption": ["x"]}}])
    assert [e.id for e in source] == ["00ff", "00ab"]
    assert dict(source.notes) == {"images without captions in 'en' left out": 1}


def test_a_language_that_no_image_has_is_refused(tmp_path):
    with pytest.raises(UserError, match="no captions in 'fr'; choose a locale of en, de"):
        read(tmp_path, ROWS, locale="fr")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"image/key": "1", "en": {"caption": ["x", " "]}},
            r"record \[2\], 'en': caption\[1\] is an empty text",
        ),
        ({"image/key": "1", "en": {"caption": []}}, r"record \[2\], 'en': 'caption' is an empty list"),
        ({"image/key": "1", "en": {}}, r"record \[2\], 'en': has no 'caption'"),
        ({"image/key": "1", "en": None}, r"record \[2\]: 'en' is null, not an object with captions"),
        ({"en": {"caption": ["x"]}}, r"record \[2\]: has no 'image/key'"),
        (ROWS[0], "image 00ff stands twice"),
    ],
    ids=["empty", "empty list", "missing", "null", "no key", "twice"],
)
def test_bad_records_are_refused(tmp_path, row, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, [*ROWS, row])


def test_another_list_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"not Crossmodal-3600's captions.jsonl .*use JsonCaptions"):
        read(tmp_path, CONTENTS["BLIP validation captions"])


def test_it_recognises_its_own_file_only():
    assert recognised(XM3600) == {"XM3600"}
