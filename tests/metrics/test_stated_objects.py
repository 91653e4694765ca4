"""Objects that captions state: which phrases count, precision and recall, intervals, and their differences."""

from __future__ import annotations

import numpy as np
import pytest

from frozenvl.metrics.bootstrap import paired_bootstrap
from frozenvl.metrics.captions import caption_scores
from frozenvl.metrics.metric import metric_of
from frozenvl.metrics.stated_objects import METRICS, object_scores, stated_objects
from frozenvl.util.errors import UserError

COLOURS, SHAPES = ("red", "blue", "light blue"), ("circle", "cross", "star")
REFERENCES = {
    "1": ["a red circle above a blue star", "a blue star below"],
    "2": ["two blue crosses"],
    "3": ["a red star"],
    "4": ["a blue circle"],
}
CAPTIONS = {
    "1": "a red circle next to a red star",  # one of two
    "2": "two blue crosses and two blue crosses",  # one, stated twice
    "3": "there is a picture",  # none
    "4": "a blue star",  # none of one
}


def scored(captions: dict[str, str] = CAPTIONS, **options):
    references = {image: REFERENCES[image] for image in captions}
    return object_scores(captions, references, {}, COLOURS, SHAPES, **options)


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        ("A Red circle.", {("red", "circle")}),
        ("two red circles and three blue crosses", {("red", "circle"), ("blue", "cross")}),
        ("a light blue star", {("light blue", "star")}),
        ("a red starfish, a redcircle, a red, blue thing, a circle that is red", set()),
        ("a red small circle", set()),
        ("", set()),
    ],
)
def test_an_object_is_an_attribute_directly_before_a_noun(text, objects):
    assert stated_objects(text, COLOURS, SHAPES) == objects


def test_precision_and_recall_by_hand():
    found = scored()
    assert found.scores["objects right"] == pytest.approx(100 * 2 / 4)
    assert found.scores["objects found"] == pytest.approx(100 * 2 / 5)
    assert found.per_query == {"1": 50, "2": 100, "3": 0, "4": 0}
    assert found.notes[0] == "1 of 4 captions state no object; they do not count in objects right"


def test_caption_scores_stand_beside():
    plain = caption_scores(CAPTIONS, REFERENCES).scores
    found = scored()
    assert {name: found.scores[name] for name in plain} == plain
    assert [metric.name for metric in METRICS if metric.main] == ["objects right"]
    assert metric_of("CIDEr", METRICS).digits == 3 and metric_of("objects found", METRICS).unit == "%"


def test_captions_without_objects_score_nothing_instead_of_nan():
    found = scored(dict.fromkeys(REFERENCES, "a picture"))
    assert found.scores["objects right"] == found.scores["objects found"] == 0
    assert found.intervals()["objects right"] == (0, 0)


def test_resampled_scores_are_those_of_the_drawn_images():
    found = scored()
    resampled = found.reweighted(np.array([[1.0, 1, 1, 1], [2, 0, 0, 0], [0, 1, 0, 3]]))
    assert resampled["objects right"] == pytest.approx([50, 50, 25])
    assert resampled["objects found"] == pytest.approx([40, 50, 25])
    assert resampled.keys() == found.scores.keys()
    low, high = found.intervals()["objects right"]
    assert low < 50 < high


def test_the_difference_of_two_sets_is_paired_over_images():
    true = {image: texts[0] for image, texts in REFERENCES.items()}
    change = paired_bootstrap(scored(), scored(true))["objects right"]
    assert change.difference == 50 and 0 <= change.low < 50 < change.high
    assert paired_bootstrap(scored(), scored())["objects right"].difference == 0


def test_words_of_other_captions_are_refused():
    with pytest.raises(UserError, match="no reference states an object"):
        object_scores({"1": "a dog"}, {"1": ["a brown dog"]}, {}, COLOURS, SHAPES)
