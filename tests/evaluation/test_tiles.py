"""Tiles of galleries: what stands below which image, and images that cannot be read."""

from __future__ import annotations

import numpy as np
from toy import Broken, Square

from frozenvl.evaluation.query import Answer, Query
from frozenvl.evaluation.tiles import answer_tiles, label_tiles, marked, number, retrieval_tiles

COLOURS = [(40 * number, 90, 9) for number in range(6)]
IMAGES = [Square(f"{number}.png", colour) for number, colour in enumerate(COLOURS)]


def colour(tile) -> tuple[int, ...]:
    return tile.image.getpixel((0, 0))


def test_marks():
    assert [marked(right, "x") for right in (True, 0.5, 0.4, None)] == ["✓ x", "✓ x", "✗ x", "x"]


def test_numbers_have_no_negative_zero():
    assert [number(value) for value in (-1e-17, -0.004, 0.25, -3)] == ["0.00", "0.00", "0.25", "-3.00"]


def test_answers_stand_below_their_images():
    queries = [
        Query(str(n), (), "", ("a",), image, "what?") for n, image in enumerate([*IMAGES[:2], Broken(), None])
    ]
    answers = [Answer(query, "two\n lines") for query in queries]
    answers.append(Answer(Query("9", (), "", image=IMAGES[0]), unreadable="torn"))
    tiles = [*answer_tiles(answers, lambda answer: float(answer.query.id == "0"))]
    assert {colour(tile): tile.texts for tile in tiles} == {
        COLOURS[0]: ["✓ → two lines"],
        COLOURS[1]: ["✗ → two lines"],
    }
    assert all((tile.question, tile.references) == ("what?", ("a",)) for tile in tiles)


def turned(degrees: float) -> list[float]:
    return [np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]


def test_the_images_of_a_text_and_the_texts_of_an_image():
    images = np.array([turned(10 * number) for number in range(6)])
    texts = np.array([turned(1), turned(52), turned(2)])
    tiles = [*retrieval_tiles(IMAGES, ["first", "last", "far"], [0, 4, 5], (images, texts))]
    found = {text: [tile for tile in tiles if tile.question == text] for text in ("first", "last", "far", "")}
    assert [colour(tile) for tile in found["first"]] == COLOURS[:4]
    assert [tile.texts for tile in found["first"]] == [
        ["1. ✓ 1.00"],
        ["2. ✗ 0.99"],
        ["3. ✗ 0.95"],
        ["4. ✗ 0.87"],
    ]
    assert [colour(tile) for tile in found["last"]] == [COLOURS[number] for number in (5, 4, 3, 2)]
    assert found["last"][1].texts == ["2. ✓ 0.98"] and not found["last"][0].references
    assert {tile.references[0] for tile in found["far"]} == {"its own image has rank 6"}
    shown = {colour(tile): tile for tile in found[""]}
    assert shown[COLOURS[0]].texts == ["1. ✓ 1.00 first", "2. ✗ 1.00 far", "3. ✗ 0.62 last"]
    assert set(shown) == {*COLOURS}, "an image without captions is searched, too"


def test_the_rank_of_a_text_beyond_the_first_is_told():
    texts = np.array([turned(number) for number in (1, 2, 3, 40, 50)])
    tiles = retrieval_tiles(
        IMAGES[:2], [*"abcde"], [1, 1, 1, 0, 0], (np.array([turned(0), turned(5)]), texts)
    )
    (tile,) = [tile for tile in tiles if not tile.question and colour(tile) == COLOURS[0]]
    assert tile.texts[0] == "1. ✗ 1.00 a" and tile.references == ["rank 4: d"]


def test_unreadable_images_are_left_out():
    vectors = np.array([turned(0), [np.nan, np.nan]]), np.array([turned(0), turned(5)])
    tiles = [*retrieval_tiles([IMAGES[0], Broken()], ["a", "b"], [0, 1], vectors)]
    assert {colour(tile) for tile in tiles} == {COLOURS[0]}
    assert sorted(tile.question for tile in tiles) == ["", "a", "b"]
    seen = np.eye(2), np.eye(2)  # a view that does not show the images: their vectors are known
    assert {tile.question for tile in retrieval_tiles([IMAGES[0], Broken()], ["a", "b"], [0, 1], seen)} == {
        ""
    }


def test_images_with_their_first_labels():
    scores = np.array([[0.5, 0.25, 0.75], [np.nan] * 3, [0.5, np.nan, 0.25]])
    tiles = [*label_tiles(IMAGES[:3], [["cat", "emu"], ["dog"], []], ["cat", "dog", "emu"], scores)]
    shown = {colour(tile): (tile.texts, tile.references) for tile in tiles}
    assert shown == {
        COLOURS[0]: (["✓ emu  0.75", "✓ cat  0.50", "✗ dog  0.25"], ["cat, emu"]),
        COLOURS[2]: (["✗ cat  0.50", "✗ emu  0.25"], []),
    }


def test_the_choice_does_not_depend_on_the_scores():
    images = [Square(f"{n}.png", (n, 0, 0)) for n in range(40)]
    orders = []
    for seed in (0, 1):
        scores = np.random.default_rng(seed).random((40, 2))
        orders.append([colour(tile)[0] for tile in label_tiles(images, [["a"]] * 40, ["a", "b"], scores)])
    assert orders[0] == orders[1] != [*range(40)] and sorted(orders[0]) == [*range(40)]
