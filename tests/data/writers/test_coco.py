"""COCO's layout: what is written, and what a record in it may hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from every_source import small
from toy import Rows, question

from frozenvl.data.convert import convert
from frozenvl.data.sources.coco import CocoCaptions
from frozenvl.evaluation.layouts import read_references
from frozenvl.util.errors import UserError


def written(folder: Path) -> dict:
    return json.loads((folder / "captions.json").read_text())


def test_captions_are_coco_without_more(tmp_path):
    convert(small("KarpathyCaptions", tmp_path), tmp_path / "made", "coco")
    assert written(tmp_path / "made") == {
        "images": [{"id": n, "file_name": f"COCO_train2014_{n:012}.jpg"} for n in (1, 2)],
        "annotations": [
            {"id": 1, "image_id": 1, "caption": "A dog 1."},
            {"id": 2, "image_id": 1, "caption": "A dog runs."},
            {"id": 3, "image_id": 2, "caption": "A dog 2."},
            {"id": 4, "image_id": 2, "caption": "A dog runs."},
        ],
    }
    assert read_references(tmp_path / "made" / "captions.json").texts == {
        "1": ["A dog 1.", "A dog runs."],
        "2": ["A dog 2.", "A dog runs."],
    }


def test_questions_have_their_record_and_their_answer_as_caption(tmp_path):
    convert(Rows(question(0, answer="yes")), tmp_path / "made", "coco")
    made = written(tmp_path / "made")
    assert made["images"][0]["frozenvl"]["question"] == "Is it 0?" and made["images"][0]["id"] == "q0"
    assert made["annotations"] == [{"id": 1, "image_id": "q0", "caption": "yes"}]


def test_examples_without_texts(tmp_path):
    convert(small("ImageFolder", tmp_path), tmp_path / "made", "coco")
    assert written(tmp_path / "made")["annotations"] == []
    source = CocoCaptions(str(tmp_path / "made" / "captions.json"), str(tmp_path / "made" / "images"))
    assert source.pairs == 0 and source[1].kind == {"label": "cat"}


@pytest.mark.parametrize("key", ["7", "0", "007", "-7", "1.0", "x", "9" * 30], ids=str)
def test_ids_are_numbers_where_they_are_written_as_such(tmp_path, key):
    example = replace(question(0), id=key, question="", answer="", references=("a",))
    convert(Rows(example), tmp_path / "made", "coco")
    made = written(tmp_path / "made")
    expected = {"7": 7, "0": 0}.get(key, key)
    assert made["images"][0]["id"] == made["annotations"][0]["image_id"] == expected
    source = CocoCaptions(str(tmp_path / "made" / "captions.json"), str(tmp_path / "made" / "images"))
    assert source[0].id == key


@pytest.mark.parametrize(
    "record",
    [
        None,
        7,
        "x",
        [],
        {},
        {"id": "1"},
        {"id": 1, "image_id": "", "references": [], "question": "", "answer": "", "kind": {}},
    ],
    ids=json.dumps,
)
def test_a_field_that_is_no_record_is_refused_with_its_image(tmp_path, record):
    (tmp_path / "images").mkdir()
    listed = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg", "frozenvl": record}]
    annotations = [{"id": n, "image_id": n, "caption": "a"} for n in (1, 2)]
    (tmp_path / "c.json").write_text(json.dumps({"images": listed, "annotations": annotations}))
    with pytest.raises(UserError, match=r"images\[1\] \(id 2\): 'frozenvl' is not an example's record"):
        CocoCaptions(str(tmp_path / "c.json"), str(tmp_path / "images"))


def test_image_ids_are_those_of_the_examples(tmp_path):
    for name in ("CocoCaptions", "VisualGenomeQuestions", "ConceptualCaptions"):
        convert(small(name, tmp_path), tmp_path / f"{name} made", "coco")
        folder = tmp_path / f"{name} made"
        source = CocoCaptions(str(folder / "captions.json"), str(folder / "images"))
        assert source.image_ids() == [example.image_id for example in source]
