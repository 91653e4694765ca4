"""The pointing game: hits by hand, questions without a box, controls."""

from __future__ import annotations

import pytest
from suites import toy
from toy import Rows, question

from frozenvl.analysis.occlusion import Occlusion
from frozenvl.data.sources.scenes import SceneQuestions
from frozenvl.evaluation import PointingGame
from frozenvl.evaluation.benchmark import Setting
from frozenvl.evaluation.query import Answer
from frozenvl.util.errors import UserError

METHODS = {"occlusion": Occlusion(), "other": Occlusion(window=2)}
LEFT = ((0.0, 0.0, 0.5, 1.0),)
WHOLE = (0.0, 0.0, 1.0, 1.0)


def game(*examples, **options) -> PointingGame:
    return toy(b=PointingGame(METHODS, source=Rows(*examples), **options))["b"]


def test_hits_misses_ties_and_answers_without_a_map():
    benchmark = game(*(question(n, boxes=LEFT, kind={"question_type": f"t{n % 2}"}) for n in range(4)))
    queries = benchmark.queries(Setting())
    left, right, both = (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0), (1.0, 1.0, 0.0, 0.0)
    maps = [left, right, both]
    answers = {
        q.id: Answer(q, explanation={"image": WHOLE, "occlusion": m, "other": left})
        for q, m in zip(queries, maps, strict=False)
    }
    answers[queries[3].id] = Answer(queries[3], unreadable="torn")
    scores = benchmark.score(Setting(), answers)
    assert scores.scores["occlusion"] == pytest.approx(100 * (1 + 0 + 0.5 + 0) / 4)
    assert scores.scores["other"] == pytest.approx(75)
    assert scores.scores["occlusion/question_type/t0"] == pytest.approx(75)
    # The middle of a 7 × 7 grid is right of the left half (0.5 is its border, which counts); three columns are left.
    assert scores.scores["centre"] == 100
    assert scores.scores["random"] == pytest.approx(400 / 7)
    assert scores.scores["other/minus_centre"] == pytest.approx(-25)
    low, high = scores.intervals()["other/minus_centre"]
    assert -100 <= low < -25 < high <= 0
    assert benchmark.right(answers[queries[2].id]) == 0.5 and benchmark.right(answers[queries[3].id]) == 0
    assert "1 of 4 have no map" in scores.notes[0]


def test_only_questions_with_a_box_are_asked():
    kinds = ("what color is the", "how many")
    benchmark = game(
        *(
            question(n, boxes=LEFT if n % 2 else (), kind={"question_type": kinds[n % 3 == 0]})
            for n in range(12)
        ),
        question_types=["what color is the"],
    )
    assert {query.id for query in benchmark.queries(Setting())} == {"q1", "q5", "q7", "q11"}
    few = game(*(question(n, boxes=LEFT) for n in range(12)), size=3)
    assert len(few.queries(Setting())) == 3
    with pytest.raises(UserError, match="no question of the types which has the box"):
        game(question(1, boxes=LEFT), question_types=["which"]).queries(Setting())
    with pytest.raises(UserError, match="no question has the box"):
        game(question(1)).queries(Setting())


def test_questions_about_scenes_have_the_true_answer_and_a_box_to_point_at():
    source = SceneQuestions("val", size=60, max_groups=2, max_count=1)
    benchmark = toy(b=PointingGame(METHODS, source=source, question_types=["what color is the"], size=8))["b"]
    for query in benchmark.queries(Setting()):
        (text,) = query.candidates
        colours = {group.pair: group.colour for group in query.image.scene.groups}
        assert text.startswith(" ") and text.strip() in colours.values() and len(query.boxes) == 1
        assert query.question.startswith("What color is the")
    names = [metric.name for metric in benchmark.metrics]
    assert names[:4] == ["occlusion", "other", "centre", "random"] and benchmark.metrics[0].main


def test_boxes_of_an_image_with_padding_are_moved_into_the_square():
    """The image is the middle half of the square; its left half reaches from a quarter to the middle."""
    benchmark = game(question(1, boxes=LEFT))
    (query,) = benchmark.queries(Setting())
    for place, hit in enumerate([0.0, 1.0, 0.0, 0.0]):
        row = tuple(float(column == place) for column in range(4))
        numbers = {"image": (0.25, 0.0, 0.75, 1.0), "occlusion": row * 4, "other": row * 4}
        assert benchmark.right(Answer(query, explanation=numbers)) == hit
