"""Winoground's items: two examples each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from published_layouts import recognised

from frozenvl.data.sources.winoground import WinogroundPairs
from frozenvl.util.errors import UserError


def row(number: int, **more) -> dict:
    images = {f"image_{n}": f"ex_{number}_img_{n}" for n in (0, 1)}
    captions = {"caption_0": f"a dog and {number} cats", "caption_1": f"a cat and {number} dogs"}
    return {"id": number, "tag": "Noun", "collapsed_tag": "Object"} | images | captions | more


def winoground(folder: Path, *rows: dict) -> WinogroundPairs:
    (folder / "images").mkdir(exist_ok=True)
    (folder / "examples.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    return WinogroundPairs(str(folder / "examples.jsonl"), str(folder / "images"))


def test_items_are_two_examples_with_each_others_captions(tmp_path):
    source = winoground(tmp_path, row(0), row(7, collapsed_tag=None))
    assert [(e.id, e.image.name, e.choices) for e in source] == [
        ("0/0", "ex_0_img_0.png", ("a dog and 0 cats", "a cat and 0 dogs")),
        ("0/1", "ex_0_img_1.png", ("a cat and 0 dogs", "a dog and 0 cats")),
        ("7/0", "ex_7_img_0.png", ("a dog and 7 cats", "a cat and 7 dogs")),
        ("7/1", "ex_7_img_1.png", ("a cat and 7 dogs", "a dog and 7 cats")),
    ]
    assert [e.references for e in source] == [e.choices[:1] for e in source]
    assert [e.kind for e in source] == [{"category": "Object"}] * 2 + [{}] * 2
    assert len(set(source.image_ids())) == 4


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"caption_1": None}, "'caption_1' is null"),
        ({"image_1": None}, "'image_1' is null"),
        ({"id": None}, "'id' is null"),
        ({"id": 0}, "item 0/0 stands twice"),
    ],
    ids=["caption", "image", "id", "twice"],
)
def test_records_that_cannot_be_used_are_refused(tmp_path, more, problem):
    with pytest.raises(UserError, match=problem):
        winoground(tmp_path, row(0), row(1, **more))


def test_only_its_own_layout_is_recognised():
    assert recognised(WinogroundPairs) == {"Winoground"}
