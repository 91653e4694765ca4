"""MiniGPT-4's filter_cap.json as published."""

from __future__ import annotations

import json

import pytest
from published_layouts import CONTENTS, recognised

from frozenvl.data.sources.minigpt4 import MiniGPT4Captions
from frozenvl.util.errors import UserError


def read(folder, content) -> MiniGPT4Captions:
    (folder / "filter_cap.json").write_text(json.dumps(content))
    return MiniGPT4Captions(str(folder / "filter_cap.json"), str(folder))


def test_the_image_is_named_by_its_id(tmp_path):
    rows = [
        {"image_id": "2", "caption": "The image shows\n\na dog."},
        {"image_id": "10", "caption": "A cat."},
    ]
    assert [(e.id, e.image.path, e.references) for e in read(tmp_path, {"annotations": rows})] == [
        ("2", tmp_path / "2.jpg", ("The image shows a dog.",)),
        ("10", tmp_path / "10.jpg", ("A cat.",)),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"annotations": [{"image_id": "2", "caption": None}]},
            r"annotations\[0\] .image_id 2.: 'caption' is null",
        ),
        ({"annotations": []}, "lists no images"),
        (CONTENTS["VQA annotations"], "no record of 'annotations' has 'caption'"),
        (
            CONTENTS["BLIP validation captions"],
            "it is a list, not an object with 'annotations'.*use JsonCaptions",
        ),
    ],
    ids=["null", "nothing", "VQA", "BLIP"],
)
def test_other_files_are_refused(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, content)


def test_it_recognises_its_own_file_only():
    assert recognised(MiniGPT4Captions) == {"MiniGPT-4"}
