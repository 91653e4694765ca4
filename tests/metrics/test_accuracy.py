"""Mean accuracy over questions, overall and by group."""

import pytest

from frozenvl.metrics.accuracy import accuracy_scores, numbered
from frozenvl.metrics.vqa import vqa_scores
from frozenvl.util.errors import UserError


@pytest.mark.parametrize(
    ("predictions", "answers", "message"),
    [
        ({}, {"1": ["a"]}, "empty"),
        ({"1": "a", "7": "b"}, {"1": ["a"]}, "'7'"),
        ({"1": "a"}, {"1": ["a"], "2": ["b"]}, "1 of 2 questions have no result"),
        ({"1": "a"}, {"1": []}, "no list of annotated answers"),
        ({"1": 3}, {"1": ["3"]}, "not text"),
    ],
)
def test_bad_input(predictions, answers, message):
    with pytest.raises(UserError, match=message):
        vqa_scores(predictions, answers)


def test_missing_groups_and_images_are_refused():
    with pytest.raises(UserError, match="no group"):
        vqa_scores({"1": "a"}, {"1": ["a"]}, groups={})
    with pytest.raises(UserError, match="no image"):
        vqa_scores({"1": "a"}, {"1": ["a"]}, images={"2": "x"})


def test_partial_answers_are_scored_by_themselves():
    assert vqa_scores({"1": "a"}, {"1": ["a"], "2": ["b"]}, partial=True).scores["overall"] == 100


def test_intervals_of_a_group_that_some_bootstrap_samples_lack():
    groups = {str(i): {"type": "rare" if i == 0 else "common"} for i in range(5)}
    found = accuracy_scores({str(i): 20.0 * i for i in range(5)}, groups)
    assert found.scores["type/rare"] == 0
    assert found.intervals()["type/rare"] == (0, 0)


def test_groups_that_are_numbers_stand_in_their_order():
    names = ["round/10", "type/b", "round/2", "type/a", "turn/1", "round/1"]
    assert numbered(names) == ["round/1", "type/b", "round/2", "type/a", "turn/1", "round/10"]
    questions = {"a": 0.0, "b": 100.0, "c": 50.0}
    groups = {"a": {"round": "11"}, "b": {"round": "2"}, "c": {"round": "2"}}
    scores = accuracy_scores(questions, groups).scores
    assert list(scores.items()) == [("overall", 50.0), ("round/2", 75.0), ("round/11", 0.0)]
