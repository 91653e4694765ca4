"""Recognising the layout of a file or folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from every_source import EVERY
from json_contents import CONTENTS as LISTED
from published_layouts import CONTENTS, recognises
from tars import folder_of_shards, picture

from frozenvl.data.detect import advice, detect, identify, inside, usage
from frozenvl.data.registry import source_classes
from frozenvl.data.sources.coco import CocoCaptions
from frozenvl.data.sources.folder import ImageFolder
from frozenvl.data.sources.labelled import LabelledImages
from frozenvl.data.sources.shards import Shards
from frozenvl.data.sources.table import TableCaptions
from frozenvl.data.sources.vqa import VQAQuestions
from frozenvl.util.errors import UserError


@pytest.mark.parametrize("name", LISTED | CONTENTS)
def test_a_layout_is_recognised_by_one_source_at_most(name):
    content = (LISTED | CONTENTS)[name]
    assert len([kind for kind in source_classes().values() if recognises(kind, content)]) <= 1


@pytest.mark.parametrize(
    "content", [None, [], {}, 3, "a", [[]], [{"a": 1}], {"images": 3}, {"questions": ["a"]}, {"data": [3]}]
)
def test_other_contents_are_not_recognised(content):
    assert detect(content) is None
    assert "data/README.md" in advice(Path("x.json"), content)


ANNOTATED = sorted(
    name for name in EVERY if "recognises" in vars(source_classes()[name]) and name != "CocoCaptions"
)
"""Sources of annotation files."""


@pytest.mark.parametrize("name", ANNOTATED)
def test_each_file_given_to_another_source_is_answered_with_its_own(tmp_path, name):
    file = next(value for value in EVERY[name](tmp_path).values() if Path(value).is_file())
    assert identify(Path(file)) == [source_classes()[name]]
    for other in (CocoCaptions, TableCaptions):
        with pytest.raises(UserError, match=f"this is .*: use {name} "):
            other(file, str(tmp_path))


def test_a_table_given_to_another_source_is_answered_with_its_own(tmp_path):
    table = EVERY["TableCaptions"](tmp_path)["table"]
    with pytest.raises(
        UserError, match=r"this is a table of captions: use TableCaptions \(--table captions.csv\)"
    ):
        CocoCaptions(table, str(tmp_path))
    with pytest.raises(UserError, match="a folder, not a file; this is a folder of images: use ImageFolder"):
        CocoCaptions(EVERY["ImageFolder"](tmp_path)["folder"], str(tmp_path))


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
    questions = Path(EVERY["VQAQuestions"](tmp_path)["questions"])
    (tmp_path / "broken.json").write_text("{")
    found = dict(inside(tmp_path))
    assert found == {tmp_path / "answers.json": [], questions: [VQAQuestions]}
    assert usage(VQAQuestions, questions) == (
        f"VQAQuestions --questions {questions} --annotations ANNOTATIONS --images {tmp_path}/images"
    )
    spaced = tmp_path / "my file.json"
    spaced.write_text(json.dumps({}))
    assert usage(CocoCaptions, spaced).startswith(f"CocoCaptions --annotations '{spaced}' --images ")
