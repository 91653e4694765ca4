"""TextCaps as published."""

from __future__ import annotations

import json

import pytest
from published_layouts import CONTENTS, recognised

from frozenvl.data.sources.textcaps import TextCaps
from frozenvl.util.errors import UserError

ROWS = [
    {
        "caption_id": n,
        "image_id": image,
        "image_name": image,
        "caption_str": text,
        "reference_strs": ["not", "read"],
    }
    for n, (image, text) in enumerate(
        [("00ff", "a sign that says STOP"), ("00ab", "a bus \n12"), ("00ff", "a red STOP sign")]
    )
]


def read(folder, content) -> TextCaps:
    (folder / "captions.json").write_text(json.dumps(content))
    return TextCaps(str(folder / "captions.json"), str(folder))


def test_captions_of_an_image_are_joined(tmp_path):
    source = read(tmp_path, {"dataset_type": "val", "dataset_name": "textcaps", "data": ROWS})
    assert [(e.id, e.image.path, e.references) for e in source] == [
        ("00ff", tmp_path / "00ff.jpg", ("a sign that says STOP", "a red STOP sign")),
        ("00ab", tmp_path / "00ab.jpg", ("a bus 12",)),
    ]


def test_the_test_set_has_images_without_captions(tmp_path):
    source = read(tmp_path, CONTENTS["TextCaps test"])
    assert [(e.id, e.image.name, e.references) for e in source] == [
        ("00", "00.jpg", ())
    ] and source.pairs == 0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([*ROWS, {"image_id": "00ee"}], r"data\[3\] \(image_id 00ee\): has no 'caption_str'"),
        ([*ROWS, {"image_id": "00ee", "caption_str": ""}], r"data\[3\] .*'caption_str' is an empty text"),
        ([*ROWS, {"image_id": None, "caption_str": "x"}], r"data\[3\]: 'image_id' is null"),
        ([], "lists no images"),
    ],
    ids=["missing", "empty", "null image", "nothing"],
)
def test_bad_records_are_refused(tmp_path, data, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, {"dataset_name": "textcaps", "data": data})


def test_textvqa_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"not TextCaps's JSON .no record of 'data' has 'caption_str'"):
        read(tmp_path, CONTENTS["TextVQA"])


def test_it_recognises_its_own_files_only():
    assert recognised(TextCaps) == {"TextCaps", "TextCaps test"}
