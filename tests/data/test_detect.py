"""Recognising the layout of a file or folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from layout_files import LAYOUTS, write
from tars import folder_of_shards, picture

from frozenvl.data.detect import advice, detect, identify, inside, usage
from frozenvl.data.registry import source_classes
from frozenvl.data.sources.coco import CocoCaptions
from frozenvl.data.sources.folder import ImageFolder
from frozenvl.data.sources.labelled import LabelledImages
from frozenvl.data.sources.shards import Shards
from frozenvl.data.sources.vqa import VQAQuestions
from frozenvl.util.errors import UserError


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_recognised_by_its_own_source_alone(name):
    kind, content = LAYOUTS[name].kind, next(iter(LAYOUTS[name].files.values()))
    assert [other for other in source_classes().values() if other.recognises(content)] == [kind]
    assert detect(content) is kind
    assert f"use {kind.__name__} (--" in advice(Path("x.json"), content)


@pytest.mark.parametrize(
    "content", [None, [], {}, 3, "a", [[]], [{"a": 1}], {"images": 3}, {"questions": ["a"]}, {"data": [3]}]
)
def test_other_contents_are_not_recognised(content):
    assert detect(content) is None
    assert "data/README.md" in advice(Path("x.json"), content)


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_file_given_to_another_source_is_answered_with_its_own(tmp_path, name):
    write(tmp_path, LAYOUTS[name])
    first = tmp_path / next(iter(LAYOUTS[name].files))
    other = VQAQuestions if name == "COCO" else CocoCaptions
    with pytest.raises(UserError, match=f"this is .*: use {LAYOUTS[name].kind.__name__} "):
        other(*([str(first), None] if other is VQAQuestions else [str(first)]), images=str(tmp_path))


def test_folders_and_tars_are_recognised(tmp_path):
    for file in ("flat/1.jpg", "classes/a/1.jpg", "classes/b/2.JPEG", "one/images/1.png", "none/1.bin"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(picture(0))
    folder_of_shards(tmp_path / "tars", [2])
    assert identify(tmp_path / "flat") == [ImageFolder]
    assert identify(tmp_path / "classes") == [ImageFolder, LabelledImages]
    assert identify(tmp_path / "one") == [ImageFolder]
    assert identify(tmp_path / "none") == []
    assert identify(tmp_path / "tars") == identify(next((tmp_path / "tars").glob("*.tar"))) == [Shards]
    with pytest.raises(UserError, match="nowhere: no such file or folder"):
        identify(tmp_path / "nowhere")


def test_the_files_of_a_folder_are_listed_with_their_images(tmp_path):
    write(tmp_path, LAYOUTS["VQA"])
    (tmp_path / "images/1.jpg").write_bytes(picture(0))
    (tmp_path / "broken.json").write_text("{")
    found = {path.name: kinds for path, kinds in inside(tmp_path)}
    assert found == {"a.json": [], "q.json": [VQAQuestions]}
    assert usage(VQAQuestions, tmp_path / "q.json") == (
        f"VQAQuestions --questions {tmp_path}/q.json --annotations ANNOTATIONS --images {tmp_path}/images"
    )
    spaced = tmp_path / "my file.json"
    spaced.write_text(json.dumps({}))
    assert usage(CocoCaptions, spaced).startswith(f"CocoCaptions --annotations '{spaced}' --images ")
