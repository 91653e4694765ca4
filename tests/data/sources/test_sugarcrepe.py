"""SugarCrepe's captions and foils."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from published_layouts import recognised
from vqa_files import write

from frozenvl.data.sources.sugarcrepe import SugarCrepePairs
from frozenvl.util.errors import UserError


def item(caption: str, foil: str, name: str = "000000000007.jpg") -> dict:
    return {"filename": name, "caption": caption, "negative_caption": foil}


SEVERAL = {
    "add_att": {"3": item("a dog ", "a red  dog"), "12": item("a cat", "an old cat", "000000000008.jpg")},
    "swap_obj": {"3": item("a dog on a cat", "a cat on a dog")},
}


def crepe(folder: Path, content=SEVERAL, name: str = "all.json") -> SugarCrepePairs:
    return SugarCrepePairs(write(folder, name, content), str(folder / "images"))


def test_an_object_of_categories_is_read(tmp_path):
    source = crepe(tmp_path)
    assert [(e.id, e.image.name, e.image_id, e.choices, e.kind["category"]) for e in source] == [
        ("add_att/3", "000000000007.jpg", "coco/7", ("a dog", "a red dog"), "add_att"),
        ("add_att/12", "000000000008.jpg", "coco/8", ("a cat", "an old cat"), "add_att"),
        ("swap_obj/3", "000000000007.jpg", "coco/7", ("a dog on a cat", "a cat on a dog"), "swap_obj"),
    ]
    assert source[0].references == source[0].targets == ("a dog",)
    assert source.image_ids() == ["coco/7", "coco/8", "coco/7"] and source.pairs == 3


def test_a_published_file_is_named_for_its_category(tmp_path):
    source = crepe(tmp_path, SEVERAL["add_att"], "replace_rel.json")
    assert [(e.id, e.kind) for e in source] == [
        ("replace_rel/3", {"category": "replace_rel"}),
        ("replace_rel/12", {"category": "replace_rel"}),
    ]


@pytest.mark.parametrize("several", [False, True], ids=["one category", "several"])
@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"caption": None}, r"'caption' is null"),
        ({"caption": ["a", "b"]}, "'caption' is a list, not a text"),
        ({"negative_caption": " "}, "'negative_caption' is an empty text"),
        ({"filename": 7}, r"'filename' is a number \(7\)"),
    ],
    ids=["null", "list", "empty", "file"],
)
def test_records_that_cannot_be_used_are_refused(tmp_path, several, more, problem):
    items = {"0": item("a", "b"), "1": item("a", "b") | more}
    with pytest.raises(UserError, match=problem) as error:
        crepe(tmp_path, {"add_att": items} if several else items)
    assert "['1']" in str(error.value)


@pytest.mark.parametrize(
    "content", [{}, [], {"add_att": {}}, {"a": 3}], ids=["none", "list", "empty", "number"]
)
def test_other_content_is_refused(tmp_path, content):
    with pytest.raises(UserError, match=r"SugarCrepe's JSON|lists no captions with foils"):
        crepe(tmp_path, content)


def test_only_its_own_layout_is_recognised():
    assert recognised(SugarCrepePairs) == {"SugarCrepe", "SugarCrepe of categories"}


@pytest.mark.data
def test_the_items_on_our_photographs_are_read(data):
    file = data / "sugarcrepe/sugarcrepe_on_our_coco.json"
    source = SugarCrepePairs(str(file), str(data / "coco_captions/images"))
    counts = {category: len(items) for category, items in json.loads(file.read_text()).items()}
    assert len(source) == sum(counts.values()) == 239
    assert all(example.image.path.is_file() for example in source)
    assert [example.kind["category"] for example in source].count("add_obj") == counts["add_obj"] == 63
