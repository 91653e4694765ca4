"""Shares of complete maps, by hand."""

from __future__ import annotations

import pytest
from suites import toy
from toy import Rows, question

from frozenvl.analysis.occlusion import Occlusion
from frozenvl.evaluation import Completeness
from frozenvl.evaluation.benchmark import Setting
from frozenvl.evaluation.query import Answer
from frozenvl.util.errors import UserError


def test_a_map_is_complete_within_the_tolerance_of_the_difference():
    source = Rows(*(question(n) for n in range(3)))
    benchmark = toy(b=Completeness({"mine": Occlusion()}, source=source))["b"]
    queries = benchmark.queries(Setting())
    sums = [2.985, 2.9, 0.0005]  # of 3, 3 and 0 nats
    ends = [(-1.0, -4.0), (-1.0, -4.0), (-1.0, -1.0)]
    answers = {
        q.id: Answer(
            q, "said", explanation={"mine": (total, 0.0, 0.0, 0.0), "mine/ends": both, "mine/steps": (32.0,)}
        )
        for q, total, both in zip(queries, sums, ends, strict=True)
    }
    scores = benchmark.score(Setting(), answers)
    assert scores.scores["mine"] == pytest.approx(100 / 3)
    assert scores.scores["mine/steps"] == 32
    assert scores.scores["mine/gap"] == pytest.approx((0.015 + 0.1 + 0.0005) / 3)


def test_a_method_without_a_baseline_is_refused():
    benchmark = toy(b=Completeness({"mine": Occlusion()}, source=Rows(question(1))))["b"]
    (query,) = benchmark.queries(Setting())
    with pytest.raises(UserError, match="maps of mine have no baseline"):
        benchmark.score(Setting(), {query.id: Answer(query, "said", explanation={"mine": (1.0,)})})
