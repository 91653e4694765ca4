"""Accuracy of matching, with the row without images, and Winoground's scores."""

from __future__ import annotations

import pytest

from frozenvl.metrics.matching import matching_scores

RIGHT = {"a": True, "b": True, "c": False, "d": True}
TEXT_ONLY = {"a": False, "b": True, "c": True, "d": False}
GROUPS = {"a": {"category": "swap"}, "b": {"category": "swap"}, "c": {"category": "add"}, "d": {}}
IMAGES = {"a": "1", "b": "1", "c": "2", "d": "3"}


def test_both_accuracies_are_given_overall_and_by_group():
    scored = matching_scores(RIGHT, TEXT_ONLY, GROUPS, IMAGES)
    assert scored.scores == {
        "overall": 75,
        "category/swap": 100,
        "category/add": 0,
        "text_only": 50,
        "text_only/category/swap": 50,
        "text_only/category/add": 100,
    }
    assert scored.per_question == {"a": 100, "b": 100, "c": 0, "d": 100}


def test_intervals_resample_images():
    scored = matching_scores(RIGHT, TEXT_ONLY, GROUPS, IMAGES)
    assert scored.units == ["1", "2", "3"]
    low, high = scored.intervals()["overall"]
    assert low == 0 and high == 100  # of three images, a sample may hold one alone
    assert scored.intervals()["category/swap"] == (100, 100)
    assert scored.intervals().keys() == scored.scores.keys()


def item(number: int, *rows: tuple[float, float]):
    """Returns an item, and the values of both captions given each image."""
    keys = [f"{number}/{image}" for image in (0, 1)]
    return (
        ((keys[0], "one"), (keys[1], "other")),
        {key: {"one": a, "other": b} for key, (a, b) in zip(keys, rows, strict=True)},
    )


@pytest.mark.parametrize(
    ("rows", "text", "image", "group"),
    [
        (((2, 1), (1, 2)), 100, 100, 100),
        (((2, 1), (5, 6)), 100, 0, 0),
        (((1, 5), (0, 6)), 0, 100, 0),
        (((1, 2), (2, 1)), 0, 0, 0),
        (((2, 1), (2, 3)), 100, 0, 0),
    ],
    ids=["all", "text", "image", "none", "tie of images"],
)
def test_scores_of_one_item(rows, text, image, group):
    items, values = item(0, *rows)
    right = {"0/0": rows[0][0] > rows[0][1], "0/1": rows[1][1] > rows[1][0]}
    images = {"0/0": "x", "0/1": "y"}
    scored = matching_scores(
        right, dict.fromkeys(right, False), {key: {} for key in right}, images, [items], values
    )
    assert [scored.scores[name] for name in ("text", "image", "group")] == [text, image, group]


def test_scores_of_items_are_means_over_items():
    made = [item(0, (2, 1), (1, 2)), item(1, (2, 1), (5, 6)), item(2, (1, 2), (2, 1))]
    values = {key: row for _, rows in made for key, row in rows.items()}
    right = {"0/0": True, "0/1": True, "1/0": True, "1/1": True, "2/0": False, "2/1": False, "alone": True}
    images = {key: f"image {key}" for key in right}
    nothing = dict.fromkeys(right, False)
    items = [each for each, _ in made]
    scored = matching_scores(right, nothing, {key: {} for key in right}, images, items, values)
    assert scored.scores == {
        "overall": pytest.approx(500 / 7),
        "text_only": 0,
        "text": pytest.approx(200 / 3),
        "image": pytest.approx(100 / 3),
        "group": pytest.approx(100 / 3),
    }
    assert len(scored.units) == 4  # both images of an item are resampled together
    low, high = scored.intervals()["group"]
    assert 0 <= low < 100 / 3 < high <= 100
