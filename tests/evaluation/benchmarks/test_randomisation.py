"""Correlations of maps before and after weights are randomised, and the spread over seeds, by hand."""

from __future__ import annotations

import pytest
from suites import toy
from toy import Rows, question

from frozenvl.analysis.occlusion import Occlusion
from frozenvl.evaluation import Randomisation
from frozenvl.evaluation.benchmark import Setting
from frozenvl.evaluation.query import Answer

MAP = (1.0, 2.0, 3.0, 4.0)


def test_correlations_are_averaged_and_constant_maps_do_not_count():
    source = Rows(*(question(n) for n in range(3)))
    made = Randomisation({"mine": Occlusion(), "drawn": Occlusion()}, source=source, parts=["mapper"])
    benchmark = toy(b=made)["b"]
    queries = benchmark.queries(Setting())
    after = [MAP, (4.0, 3.0, 2.0, 1.0), (7.0, 7.0, 7.0, 7.0)]
    answers = {
        q.id: Answer(
            q,
            "said",
            explanation={
                "mine": MAP,
                "mine/mapper": other,
                "drawn": (0.0, 2.0, 0.0, 2.0),
                "drawn/mapper": (0.0, 2.0, 0.0, 3.0),
                "drawn/spread": (0.5, 0.5, 0.5, 0.5),
            },
        )
        for q, other in zip(queries, after, strict=True)
    }
    scores = benchmark.score(Setting(), answers)
    assert scores.scores["mapper/mine"] == pytest.approx(0)  # 1 and -1; the third map has no order
    # Ranks 1.5 3.5 1.5 3.5 and 1.5 3 1.5 4: covariance 4, norms √4 and √4.5.
    assert scores.scores["mapper/drawn"] == pytest.approx(4 / (4 * 4.5) ** 0.5)
    assert scores.scores["spread/drawn"] == pytest.approx(0.5)  # the map's own deviation is 1
    assert "spread/mine" not in scores.scores
    assert benchmark.baselines(Setting()) == {"random": 0.0, "centre": 1.0}


def test_the_first_part_and_method_are_the_main_score():
    made = Randomisation({"mine": Occlusion()}, source=Rows(question(1)), parts=["vision", "mapper"])
    assert [metric.name for metric in made.metrics if metric.main] == ["vision/mine"]
    assert made.ask.randomised == ("vision", "mapper")
