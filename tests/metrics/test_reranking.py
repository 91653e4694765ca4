"""Scores before and after re-ranking, with paired gains."""

from __future__ import annotations

import numpy as np
import pytest

from frozenvl.metrics.metric import main_of
from frozenvl.metrics.ranking import top_candidates
from frozenvl.metrics.reranking import RerankedScores, reranked_metrics
from frozenvl.metrics.retrieval import Reranking, retrieval_scores

OWNERS = [[caption // 2] for caption in range(60)]


def reranked(k: int) -> RerankedScores:
    """Re-ranks the captions of thirty images by a better model."""
    random = np.random.default_rng(0)
    own = np.arange(30)[:, None] == np.arange(60) // 2
    first, better = random.normal(size=(30, 60)) + 1.5 * own, random.normal(size=(30, 60)) + 4.0 * own
    candidates = top_candidates(first, k)
    again = Reranking(candidates, np.take_along_axis(better, candidates, axis=1))
    return RerankedScores(
        retrieval_scores(first, OWNERS), retrieval_scores(first, OWNERS, rerank={"i2t": again})
    )


def test_scores_stand_beside_those_before_and_their_gains():
    result = reranked(12)
    scores, before, after = result.scores, result.before.scores, result.after.scores
    assert {name: scores[name] for name in before} == before
    assert scores["reranked/i2t_r1"] == after["i2t_r1"] > before["i2t_r1"]
    assert scores["reranked/rsum"] == after["rsum"]
    assert scores["gain/i2t_r1"] == pytest.approx(after["i2t_r1"] - before["i2t_r1"])
    assert not any("t2i" in name for name in scores.keys() - before.keys())
    assert result.notes == ["i2t: only the first 12 candidates were re-ranked; ranks beyond are void"]


def test_gains_have_paired_intervals():
    result = reranked(12)
    intervals = result.intervals(samples=300)
    assert intervals.keys() == result.scores.keys()
    low, high = intervals["gain/i2t_r1"]
    assert 0 < low < result.scores["gain/i2t_r1"] < high
    unpaired = [a - b for a, b in zip(intervals["reranked/i2t_r1"], intervals["i2t_r1"][::-1], strict=True)]
    assert high - low < unpaired[1] - unpaired[0]


def test_few_candidates_have_no_recall_beyond_them():
    scores = reranked(5).scores
    assert {"reranked/i2t_r1", "reranked/i2t_r5", "gain/i2t_r5"} < scores.keys()
    assert not {"reranked/i2t_r10", "reranked/rsum", "gain/i2t_r10"} & scores.keys()


def test_metrics_describe_every_score():
    described = {metric.name: metric for metric in reranked_metrics()}
    assert main_of(reranked_metrics()).name == "rsum" and reranked(12).scores.keys() <= described.keys()
    assert described["reranked/i2t_r1"].unit == "%" and described["gain/i2t_r1"].shown
