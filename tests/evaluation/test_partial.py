"""Reuse of predictions from an interrupted or finished evaluation."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from scores import score_of
from suites import coco, rows_of
from toy import Square

from frozenvl.evaluation.partial import PartialPredictions, answer_of, row_of
from frozenvl.evaluation.query import Answer, Query, Request
from frozenvl.evaluation.score_file import write_score
from frozenvl.prompt import Delimiter, Marker


def answered(key: str) -> tuple[Request, Answer]:
    query = Query(key, (), key)
    return Request(query, (), 0), Answer(query, f"text of {key}")


def test_partial_predictions_are_read_by_the_next_evaluation(tmp_path):
    session = SimpleNamespace(folder=tmp_path, rank=0, resumable=True)
    first = PartialPredictions(session, "x", "print")
    assert first.known == {}
    first.add([answered("1")])
    first.add([answered("2")])
    second = PartialPredictions(session, "x", "print")
    second.add([answered("3")])
    kept = PartialPredictions(session, "x", "print")
    assert set(kept.known) == {"1", "2", "3"}
    assert [answer.text for _, answer in kept.gathered([answered("2")[0]])] == ["text of 2"]
    assert PartialPredictions(session, "x", "another").known == {}


@pytest.mark.parametrize("score", ["", "[]", "{}", '{"fingerprint": "print"}'])
def test_predictions_beside_an_unreadable_score_are_not_reused(tmp_path, score):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "predictions.jsonl").write_text('{"id": "1"}\n')
    session = SimpleNamespace(folder=tmp_path, rank=0, resumable=True)
    (tmp_path / "x" / "score.json").write_text(score)
    assert PartialPredictions(session, "x", "print").known == {}
    write_score(tmp_path / "x" / "score.json", score_of("x", {"overall": 1.0}, fingerprint="print"))
    assert PartialPredictions(session, "x", "print").known == {"1": {"id": "1"}}
    assert PartialPredictions(session, "x", "another").known == {}


def test_an_answer_and_its_vector_are_saved_exactly():
    request, _ = answered("1")
    vector = np.random.default_rng(0).standard_normal(7).astype(np.float32)
    texts, means = (-3.5, -0.000125), (-0.5, -0.75)
    answer = Answer(
        request.query, "a", " a\n", True, (-1.5, -2.25), vector, text_values=texts, mean_values=means
    )
    again = answer_of(request.query, json.loads(json.dumps(row_of(request, answer))))
    assert (again.text, again.generated, again.ended, again.values) == ("a", " a\n", True, (-1.5, -2.25))
    assert (again.text_values, again.mean_values) == (texts, means)
    assert again.vector.tobytes() == vector.tobytes() and again.picture is None


def test_a_picture_is_saved_exactly():
    request, _ = answered("1")
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    again = answer_of(
        request.query, json.loads(json.dumps(row_of(request, Answer(request.query, picture=picture))))
    )
    assert np.array_equal(again.picture, picture) and again.picture.dtype == np.uint8


def test_every_part_of_a_prompt_is_saved():
    image, parts = (
        Square("a.png"),
        (Delimiter("opening", "Be brief."), Delimiter("reply"), Marker("RET"), "text"),
    )
    request = Request(Query("1", (), "1"), (image, *parts), 0)
    assert row_of(request, Answer(request.query))["prompt"] == [
        {"image": "a.png"},
        {"border": "opening", "text": "Be brief."},
        {"border": "reply"},
        {"marker": "RET"},
        {"text": "text"},
    ]


def test_reused_answers_are_scored_against_the_current_references(evaluate, run, answered, tmp_path):
    assert evaluate(coco(tmp_path / "data", "a dog", "red")) == 0
    before = rows_of(run / "evaluation/mine")
    assert evaluate(coco(tmp_path / "data", before["1"]["text"] or "nothing", "red")) == 0
    after = rows_of(run / "evaluation/mine")
    assert answered == [2] and after["1"]["text"] == before["1"]["text"]
    assert after["1"]["references"] == [before["1"]["text"] or "nothing"] != before["1"]["references"]
