"""Files that are scored: references, questions and results, one rule for ids and texts, errors that name the record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from frozenvl.data.records.ids import Ids
from frozenvl.evaluation.layouts import (
    caption_results,
    read_answers,
    read_captions,
    read_references,
    read_vqa,
    vqa_results,
)
from frozenvl.util.errors import UserError

QUESTIONS = [{"question_id": n, "image_id": 7, "question": f"Is it {n}?"} for n in (1, 2)]
ANNOTATIONS = [
    {"question_id": 2, "answers": [{"answer": "yes"}, {"answer": "no"}], "answer_type": "yes/no"},
    {"question_id": 1, "answers": [{"answer": "3"}]},
]


@pytest.fixture
def write(tmp_path):
    def make(content: object, name: str = "file.json") -> Path:
        rows = name.endswith("jsonl")
        text = "\n".join(map(json.dumps, content)) if rows else json.dumps(content)
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return make


def coco(*captions: object, **images: object) -> dict:
    return {
        "images": [{"id": 1, "file_name": "a.jpg"} | images],
        "annotations": [
            {"id": number, "image_id": images.get("id", 1), "caption": text}
            for number, text in enumerate(captions)
        ],
    }


def test_results_are_read_as_they_were_written(write):
    captions, answers = {"7": "a dog", "007": "a cat", "x": "a bird"}, {"1": "yes", "b": "no"}
    assert [row["image_id"] for row in caption_results(captions)] == [7, "007", "x"]
    assert read_captions(write(caption_results(captions))).texts == captions
    assert read_answers(write(vqa_results(answers))).texts == answers


def test_predictions_of_a_run_are_read(write):
    rows = [
        {"id": "a", "image_id": "x/a", "text": "a dog", "references": ["dog", "a dog"]},
        {"id": "b", "image_id": "x/b", "text": "", "references": ["x"]},
    ]
    path = write(rows, "predictions.jsonl")
    assert read_captions(path).texts == read_answers(path).texts == {"a": "a dog", "b": ""}
    assert read_references(path).texts == {"a": ["dog", "a dog"], "b": ["x"]}


@pytest.mark.parametrize("field", ["caption", "text"])
def test_the_image_id_takes_precedence_over_the_id_of_a_caption(write, field):
    rows = [{"image_id": 7, "id": 99, field: "a dog"}, {"image_id": 8, "id": 7, field: "a cat"}]
    known = Ids([("7", ""), ("8", "")])
    results = read_captions(write(rows), known)
    assert results.texts == {"7": "a dog", "8": "a cat"}
    assert results.notes == ["1 results have an `id` that is another image's; `image_id` counts"]
    assert read_captions(write(rows[:1]), known).notes == []


@pytest.mark.parametrize(
    "key", [7, "7", 7.0, "000000000007", "7.jpg", "COCO_val2014_000000000007.jpg", "a.png"]
)
def test_ids_that_differ_in_spelling_are_the_same(write, key):
    references = read_references(write(coco("a dog", id=7, file_name="a.png")))
    assert read_captions(write([{"image_id": key, "caption": "x"}]), references.ids).texts == {"7": "x"}
    asked = read_vqa(
        write({"questions": [QUESTIONS[0] | {"question_id": "007"}]}, "q.json"),
        write({"annotations": [ANNOTATIONS[1] | {"question_id": 7}]}, "a.json"),
    )
    if key != "a.png":
        answers = read_answers(write([{"question_id": key, "answer": "x"}]), asked.ids)
        assert answers.texts == {"007": "x"}


def test_an_id_that_may_be_two_images_is_not_guessed(write):
    content = {
        "images": [{"id": 1, "file_name": "2.jpg"}, {"id": 2, "file_name": "1.jpg"}],
        "annotations": [{"image_id": i, "caption": "a"} for i in (1, 2)],
    }
    ids = read_references(write(content)).ids
    assert ids.find("1") == "1" and ids.find("1.jpg") is None


def test_coco_references_are_read(write):
    content = {
        "images": [{"id": 2}, {"id": 1}],
        "annotations": [{"image_id": i, "caption": text} for i, text in ((1, "a"), (2, "b"), (1, "c"))],
    }
    assert read_references(write(content)).texts == {"2": ["b"], "1": ["a", "c"]}
    del content["images"]
    assert read_references(write(content)).texts == {"1": ["a", "c"], "2": ["b"]}


def test_references_in_the_layout_of_any_caption_source_are_read(write, tmp_path):
    karpathy = {
        "images": [
            {"imgid": n, "filename": "a.jpg", "split": split, "sentences": [{"raw": "A dog"}, {"raw": "It"}]}
            for n, split in enumerate(("train", "test"))
        ]
    }
    texts = {"0": ["A dog", "It"], "1": ["A dog", "It"]}
    assert read_references(write(karpathy)).texts == texts
    assert read_references(write(karpathy), "test").texts == {"1": texts["1"]}
    with pytest.raises(UserError, match="COCO captions JSON has no splits; leave --split out"):
        read_references(write(coco("a dog")), "test")
    table = tmp_path / "captions.csv"
    table.write_text("image,caption\na.jpg,a dog\nb.jpg,a cat\na.jpg,the dog\n")
    known = read_references(table)
    assert known.texts == {"a.jpg": ["a dog", "the dog"], "b.jpg": ["a cat"]}
    assert known.ids.find("a") == "a.jpg"


def test_data_sets_that_are_no_annotation_files_are_answered_with_how_to_convert_them(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    for read in (read_references, read_vqa):
        with pytest.raises(UserError, match="frozenvl data convert HuggingFaceData DEST --format coco"):
            read(tmp_path / "a.parquet")


def test_questions_in_the_layout_of_any_source_are_read_with_their_answers(write):
    gqa = {"07": {"imageId": "2", "question": "Is it?", "answer": "yes", "types": {"structural": "verify"}}}
    known = read_vqa(write(gqa))
    assert (known.answers, known.images) == ({"07": ["yes"]}, {"07": "vg/2"})
    assert known.groups == {"07": {"structural": "verify"}} and known.ids.find("7") == "07"
    with pytest.raises(UserError, match="has questions and answers in one file; leave --annotations out"):
        read_vqa(write(gqa), write({}, "a.json"))


def test_captions_that_the_data_set_leaves_out_are_no_references(write):
    content = coco("a dog", "spam", "canned")
    content["annotations"][1] |= {"is_rejected": True, "is_precanned": False}
    content["annotations"][2] |= {"is_rejected": False, "is_precanned": True}
    known = read_references(write(content))
    assert known.texts == {"1": ["a dog"]}
    assert sorted(known.notes) == ["1 canned captions left out", "1 rejected captions left out"]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, "null"),
        (float("nan"), "NaN"),
        (7, "a number (7)"),
        (True, "true"),
        ({"a": 1}, "an object"),
        (" ", "an empty text"),
    ],
    ids=["null", "nan", "number", "true", "object", "empty"],
)
def test_a_reference_or_answer_that_is_no_text_is_refused_with_its_record(write, value, found):
    def refused(read, *files) -> str:
        with pytest.raises(UserError) as error:
            read(*files)
        return str(error.value)

    assert f"annotations[1] (id 1): 'caption' is {found}" in refused(
        read_references, write(coco("a", value, "b"))
    )
    lists = write(coco("a", ["b", value], "c"))
    assert f"annotations[1] (id 1): caption[1] is {found}" in refused(read_references, lists)
    rows = write([{"id": "x", "references": ["a"]}, {"id": "y", "references": value}], "p.jsonl")
    assert f"record [1] (id y): 'references' is {found}" in refused(read_references, rows)
    if found != "an empty text":  # annotators may leave an answer out
        asked = write({"questions": QUESTIONS}, "q.json")
        answers = [{"answer": "a"}, {"answer": value}]
        given = write({"annotations": [ANNOTATIONS[0] | {"answers": answers}, ANNOTATIONS[1]]}, "a.json")
        assert f"annotations[0] (question_id 2): answers[1] is {found}" in refused(read_vqa, asked, given)
        results = write([{"image_id": 1, "caption": value}, {"image_id": 2, "caption": "a"}])
        assert f"record [0] (image_id 1): 'caption' is {found}" in refused(read_captions, results)


def test_a_list_of_texts_is_several_references_and_a_text_is_one(write):
    assert read_references(write(coco(["a dog", "the dog"]))).texts == {"1": ["a dog", "the dog"]}
    rows = [{"id": "1", "references": "a dog"}, {"id": "2", "references": ["a cat", "b"]}]
    assert read_references(write(rows, "p.jsonl")).texts == {"1": ["a dog"], "2": ["a cat", "b"]}


def test_all_problems_of_a_file_are_reported_at_once(write):
    captions = [None if number % 2 else "a dog" for number in range(60)]
    with pytest.raises(UserError) as error:
        read_references(write(coco(*captions)))
    lines = str(error.value).splitlines()
    assert "30 problems" in lines[0] and len(lines) == 22 and lines[-1] == "  … and 10 more"


def test_vqa_questions_and_annotations_are_read(write):
    asked = write({"questions": QUESTIONS}, "q.json")
    known = read_vqa(asked, write({"annotations": ANNOTATIONS}, "a.json"))
    assert known.answers == {"1": ["3"], "2": ["yes", "no"]}
    assert known.images == {"1": "7", "2": "7"}
    assert known.groups == {"1": {}, "2": {"answer_type": "yes/no"}}
    with pytest.raises(UserError, match=r"q.json: questions\[0\] \(question_id 1\): has no annotation in"):
        read_vqa(asked, write({"annotations": ANNOTATIONS[:1]}, "a.json"))
    with pytest.raises(UserError, match=r"q.json: question 9 of .*a.json is not in this file"):
        more = [*ANNOTATIONS, ANNOTATIONS[0] | {"question_id": 9}]
        read_vqa(asked, write({"annotations": more}, "a.json"))
    with pytest.raises(UserError, match="in another file; give --annotations"):
        read_vqa(asked)


@pytest.mark.parametrize("other", ["yes", "no"])
def test_a_question_annotated_twice_is_refused(write, other):
    given = [*ANNOTATIONS, ANNOTATIONS[0] | {"answers": [{"answer": other}]}]
    with pytest.raises(UserError, match="question 2 is answered twice"):
        read_vqa(write({"questions": QUESTIONS}, "q.json"), write({"annotations": given}, "a.json"))


def test_soft_scores_and_test_sets_are_refused(write):
    lxmert = [{"sent": "x?", "img_id": "a", "question_id": 1, "label": {"yes": 1}}]
    with pytest.raises(UserError, match="has soft scores instead of annotators' answers"):
        read_vqa(write(lxmert))
    with pytest.raises(UserError, match="image 1 has no caption: a test set without references"):
        read_references(write({"images": [{"id": 1, "file_name": "a.jpg"}]}))
    with pytest.raises(UserError, match="holds no captions; it has the layout of LxmertQuestions"):
        read_references(write(lxmert))


@pytest.mark.parametrize(
    ("read", "content", "message"),
    [
        (read_captions, {"a": 1}, "not COCO results .it is an object, not a list.; write"),
        (read_captions, [{"image_id": 1}], "no record has 'caption'"),
        (read_captions, [3], r"record \[0\] is a number .3., not an object"),
        (read_captions, [{"image_id": 1, "caption": "a"}] * 2, "image 1 stands twice"),
        (read_answers, [{"question_id": 1}], "no record has 'answer'.; write"),
        (read_answers, [{"answer": "a"}], "no record has 'question_id'"),
        (read_references, {"a": 1}, "not COCO captions"),
        (read_references, [{"image_id": 1}], "not COCO captions"),
    ],
)
def test_another_layout_is_one_error_line(write, read, content, message):
    with pytest.raises(UserError, match=rf"file.json: .*{message}") as error:
        read(write(content))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "row",
    [
        {"questionId": "1", "prediction": "yes"},
        {"image": "1", "answer": "yes"},
        {"question_id": 1, "text": "yes", "answer_id": "x"},
    ],
    ids=["GQA", "VizWiz", "LLaVA"],
)
def test_results_in_the_formats_of_other_data_sets_are_read(write, row):
    assert read_answers(write([row])).texts == {"1": "yes"}


def test_a_language_is_chosen_where_a_file_has_several(write):
    rows = [{"image/key": "a", "en": {"caption": ["a dog"]}, "de": {"caption": ["ein Hund"]}}]
    path = write(rows, "captions.jsonl")
    assert read_references(path, "de").texts == {"a": ["ein Hund"]}
    with pytest.raises(UserError, match="has captions in several languages; choose one with --split"):
        read_references(path)


def test_a_table_with_ids_is_scored_by_them(tmp_path, write):
    table = tmp_path / "captions.csv"
    table.write_text("image,caption,id\n1.jpg,text 1,2\n2.jpg,text 2,1\n")
    known = read_references(table)
    assert known.texts == {"2": ["text 1"], "1": ["text 2"]}
    assert read_captions(write([{"image_id": 2, "caption": "text 1"}]), known.ids).texts == {"2": "text 1"}
