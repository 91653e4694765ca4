"""Deletion and insertion areas by hand, from the curves of answers."""

from __future__ import annotations

import math

import pytest
from suites import toy
from toy import Rows, question

from frozenvl.analysis.occlusion import Occlusion
from frozenvl.evaluation import Deletion
from frozenvl.evaluation.benchmark import Setting
from frozenvl.evaluation.query import Answer


def curve(*probabilities: float) -> tuple[float, ...]:
    return tuple(map(math.log, probabilities))


def test_areas_are_of_probabilities_and_differences_are_paired():
    source = Rows(*(question(n) for n in range(3)))
    benchmark = toy(b=Deletion({"mine": Occlusion()}, source=source, grid=2, points=2))["b"]
    queries = benchmark.queries(Setting())
    explanations = [
        {
            "counts": (0.0, 2.0, 4.0),
            "mine/deletion": curve(0.8, scale * 0.2, 0.1),
            "random/deletion": curve(0.8, scale * 0.4, 0.1),
            "centre/deletion": curve(0.8, scale * 0.4, 0.1),
            "mine/insertion": curve(0.1, 0.7, 0.8),
            "random/insertion": curve(0.1, 0.5, 0.8),
            "centre/insertion": curve(0.1, 0.3, 0.8),
        }
        for scale in (1.0, 2.0)
    ]
    answers = {q.id: Answer(q, "said", explanation=e) for q, e in zip(queries, explanations, strict=False)}
    answers[queries[2].id] = Answer(queries[2])  # the model said nothing
    scores = benchmark.score(Setting(), answers)
    # Two trapezoids, each half as wide as the whole: (0.8 + 2 m + 0.1) / 4.
    first, second = (0.9 + 2 * 0.2) / 4, (0.9 + 2 * 0.4) / 4
    assert scores.scores["deletion/mine"] == pytest.approx((first + second) / 2)
    assert scores.scores["deletion/mine/minus_random"] == pytest.approx(-(0.1 + 0.2) / 2)
    assert scores.scores["deletion/centre/minus_random"] == 0
    assert scores.scores["insertion/mine/minus_random"] == pytest.approx(0.1)
    low, high = scores.intervals()["deletion/mine/minus_random"]
    assert (low, high) == pytest.approx((-0.2, -0.1))  # far narrower than that of the areas themselves
    assert "1 of 3 have no map" in scores.notes[0]


def test_every_score_has_a_metric_and_a_direction():
    benchmark = Deletion({"mine": Occlusion(), "other": Occlusion()}, source=Rows(question(1)))
    directions = {metric.name: metric.better for metric in benchmark.metrics}
    for name in ("mine", "other", "random", "centre"):
        assert directions[f"deletion/{name}"] == "lower" and directions[f"insertion/{name}"] == "higher"
    assert [metric.name for metric in benchmark.metrics if metric.main] == ["deletion/mine"]
    assert "deletion/random/minus_random" not in directions
