"""Features of all sources of questions: the majority answer, and the parts `train` and `ask`."""

from __future__ import annotations

import json

import pytest
from vqa_files import many, write

from frozenvl.data.sources.aokvqa import AOKVQAQuestions
from frozenvl.data.sources.coco import CocoCaptions
from frozenvl.data.sources.lxmert import LxmertQuestions
from frozenvl.data.sources.questions import Questions, majority
from frozenvl.data.sources.vqa import VQAQuestions


@pytest.mark.parametrize(
    ("answers", "preferred", "best"),
    [
        (["a", "b", "b"], "a", "b"),
        (["a", "b", "c"], "b", "b"),
        (["a", "b", "b", "a"], "c", "a"),
        (["", "", "x"], "", "x"),
        ([""], "", ""),
    ],
)
def test_the_majority_answer_and_ties(answers, preferred, best):
    assert majority(answers, preferred) == best


def test_the_base_class_is_abstract(tmp_path):
    with pytest.raises(TypeError, match="abstract"):
        Questions(tmp_path, "", str(tmp_path), [], "all", 0.5)  # type: ignore[abstract]


def test_the_parts_are_disjoint_and_complete(tmp_path):
    for share in (0.5, 0.2):
        train, ask = (many(tmp_path, part=part, ask_share=share) for part in ("train", "ask"))
        assert not set(train.image_ids()) & set(ask.image_ids())
        assert len(train) + len(ask) == 3000 and abs(len(ask) - 3000 * share) < 150
    assert set(ask.image_ids()) < set(many(tmp_path, part="ask").image_ids())


def test_a_photograph_is_in_the_same_part_in_every_source(tmp_path):
    ask = set(many(tmp_path, part="ask").image_ids())
    rows = [{"question_id": n, "image_id": n, "question": "?", "direct_answers": ["a"]} for n in range(1000)]
    other = AOKVQAQuestions(write(tmp_path, "a.json", rows), str(tmp_path / "images"), part="ask")
    assert set(other.image_ids()) == ask


def test_the_parts_never_change(tmp_path):
    """Published scores depend on the parts: this list was recorded when they were first made."""
    ask = many(tmp_path, part="ask")
    assert list(dict.fromkeys(ask.image_ids()))[:5] == ["coco/0", "coco/1", "coco/3", "coco/4", "coco/9"]


def test_parts_do_not_depend_on_the_location_of_the_images(tmp_path):
    parts = []
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        parts.append([e.id for e in many(tmp_path / place, part="ask", image_name="image{image_id}.jpg")])
    assert parts[0] == parts[1]


@pytest.mark.data
def test_the_real_files_are_read(data):
    folder = data / "vqa_v2"
    (asked,), (given,) = folder.glob("*questions.json"), folder.glob("*annotations.json")
    source = VQAQuestions(str(asked), str(given), str(folder / "images"))
    chosen = {str(row["question_id"]): row for row in json.loads(given.read_text())["annotations"]}
    assert len(source) == 261 and len(set(source.image_ids())) == 183
    for example in source:
        assert (
            example.answer == chosen[example.id]["multiple_choice_answer"] and len(example.references) == 10
        )
        assert example.image.path.is_file()

    okvqa = LxmertQuestions(str(data / "okvqa/okvqa_subset_lxmert_format.json"), str(data / "okvqa/images"))
    assert len(okvqa) == okvqa.pairs == 109 and all(example.image.path.is_file() for example in okvqa)
    captions = CocoCaptions(
        str(data / "coco_captions/annotations/captions_train2017_subset.json"),
        str(data / "coco_captions/images"),
    )
    photographs = [set(s.image_ids()) for s in (source, okvqa, captions)]
    overlaps = [len(a & b) for a, b in zip(photographs, photographs[1:] + photographs[:1], strict=True)]
    assert overlaps == [25, 5, 16]

    aokvqa = AOKVQAQuestions(
        str(data / "aokvqa/aokvqa_v1p0_val_subset.json"), str(data / "coco_captions/images")
    )
    assert len(aokvqa) == 39 and all(e.image.path.is_file() and len(e.references) == 10 for e in aokvqa)
