"""Scores of rankings in dialogue: against VisDial's formulas written out, ties, judged rounds, intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from frozenvl.metrics.bootstrap import paired_bootstrap
from frozenvl.metrics.dialogue import METRICS, Ranking, chance, gold_rank, ndcg, places, ranking_scores
from frozenvl.util.errors import UserError


def drawn(count: int = 60, candidates: int = 100, images: int = 12) -> tuple[dict, dict]:
    """Returns random rankings without ties, of which every third is judged, and the image of each."""
    random = np.random.default_rng(0)
    rankings = {
        f"{n}": Ranking(
            gold=int(random.integers(candidates)),
            candidates=candidates,
            values=random.normal(size=candidates).tolist(),
            per_token=random.normal(size=candidates).tolist(),
            relevance=random.choice([0, 0, 0, 0.2, 0.5, 1.0], candidates).tolist() if n % 3 == 0 else (),
        )
        for n in range(count)
    }
    return rankings, {key: f"image {int(key) % images}" for key in rankings}


def by_sorting(values, gold) -> int:
    return sorted(range(len(values)), key=lambda index: -values[index]).index(gold) + 1


def written_out(values, relevance) -> float:
    """NDCG in plain Python: the gain of the first k by value, divided by that of the k most relevant."""
    k = sum(r != 0 for r in relevance)
    gain = lambda order: sum(relevance[at] / math.log(i + 1, 2) for i, at in enumerate(order[:k], start=1))
    indices = range(len(values))
    found = sorted(indices, key=lambda at: -values[at])
    return gain(found) / gain(sorted(indices, key=lambda at: -relevance[at]))


@pytest.mark.parametrize("prefix", ["", "per_token/"])
def test_scores_are_visdials(prefix):
    rankings, images = drawn()
    scores = ranking_scores(rankings, None, images).scores
    values = {key: one.per_token if prefix else one.values for key, one in rankings.items()}
    ranks = [by_sorting(values[key], one.gold) for key, one in rankings.items()]
    gains = [written_out(values[k], one.relevance) for k, one in rankings.items() if one.relevance]
    assert scores[prefix + "mrr"] == pytest.approx(sum(1 / rank for rank in ranks) / len(ranks))
    assert scores[prefix + "mean_rank"] == pytest.approx(sum(ranks) / len(ranks))
    for k in (1, 5, 10):
        assert scores[f"{prefix}r{k}"] == pytest.approx(100 * sum(rank <= k for rank in ranks) / len(ranks))
    assert scores[prefix + "ndcg"] == pytest.approx(sum(gains) / len(gains))


def test_ndcg_of_a_small_round_by_hand():
    # The model's first two of two relevant candidates: relevances 0.5 and 0.
    assert ndcg([3, 2, 1, 0], [0.5, 0, 1, 0]) == pytest.approx(0.5 / (1 + 0.5 / math.log2(3)))
    assert ndcg([3, 1, 2, 0], [0.5, 0, 1, 0]) == pytest.approx(
        (0.5 + 1 / math.log2(3)) / (1 + 0.5 / math.log2(3))
    )
    assert ndcg([1, 0, 2, -1], [0.5, 0, 1, 0]) == pytest.approx(1)


def test_ties_count_against_the_model():
    assert gold_rank([1, 1, 0], 0, 3) == gold_rank([1, 1, 0], 1, 3) == 2
    assert gold_rank([2, 2, 2], 1, 3) == 3
    assert ndcg([1, 1, 1], [1, 0, 0]) == 0
    assert (
        ndcg([1, 1, 0], [1, 0, 0.5])
        == ndcg([1, 1, 0], [0, 1, 0.5])
        == pytest.approx((1 / math.log2(3)) / (1 + 0.5 / math.log2(3)))
    )


def test_a_prompt_without_values_has_the_worst_order():
    assert gold_rank((), 0, 100) == 100
    scores = ranking_scores({"a": Ranking(1, 4, relevance=(0, 1, 0, 0))}).scores
    assert (scores["mrr"], scores["r1"], scores["mean_rank"], scores["ndcg"]) == (0.25, 0, 4, 0)


def test_a_round_without_a_relevant_candidate_has_no_ndcg():
    assert math.isnan(ndcg([1, 2], [0, 0]))
    one, none = Ranking(0, 2, (2, 1), (2, 1), (1, 0)), Ranking(0, 2, (2, 1), (2, 1), (0, 0))
    assert ranking_scores({"a": one, "b": none}).scores["ndcg"] == 1
    assert "ndcg" not in ranking_scores({"b": none}).scores


def test_places_of_a_file_of_ranks_all_differ():
    assert places([0.5, 2, 1, 2]) == [4, 1, 3, 2]
    assert sorted(places([0] * 100)) == list(range(1, 101))


def test_groups_have_the_mrr_of_their_rounds():
    rankings = {"a": Ranking(0, 2, (2, 1), (1, 2)), "b": Ranking(0, 2, (1, 2), (1, 2))}
    scores = ranking_scores(rankings, {"a": {"round": "1"}, "b": {"round": "2"}}).scores
    assert (scores["round/1"], scores["round/2"], scores["mrr"]) == (1, 0.5, 0.75)
    assert scores["per_token/mrr"] == 0.5
    assert ranking_scores(rankings).per_query == {"a": 1, "b": 0.5}


def test_chance_is_the_mrr_of_a_random_order():
    random = np.random.default_rng(1)
    drawn = np.mean(1 / random.integers(1, 101, 200_000))
    assert chance([100] * 7) == pytest.approx(drawn, abs=1e-3)
    assert chance([2, 4]) == pytest.approx((0.75 + (1 + 1 / 2 + 1 / 3 + 1 / 4) / 4) / 2)


def test_intervals_resample_images_and_the_same_number_of_judged_rounds():
    rankings, images = drawn()
    result = ranking_scores(rankings, {key: {"round": key[-1]} for key in rankings}, images)
    assert len(result.units) == 12
    once = result.reweighted(np.ones((1, 12)))
    assert {name: float(value[0]) for name, value in once.items()} == pytest.approx(result.scores)
    intervals = result.intervals()
    assert intervals.keys() == result.scores.keys()
    low, high = intervals["ndcg"]
    assert low < result.scores["ndcg"] < high
    # An image that is drawn alone gives its own rounds' mean, judged ones for NDCG.
    alone = np.eye(12)[:1] * 3
    own = {key: one for key, one in rankings.items() if images[key] == "image 0"}
    assert result.reweighted(alone)["ndcg"][0] == pytest.approx(ranking_scores(own).scores["ndcg"])


def test_two_rankings_are_compared_on_the_same_images():
    rankings, images = drawn()
    better = {
        key: Ranking(one.gold, one.candidates, [v + 9 * (at == one.gold) for at, v in enumerate(one.values)])
        for key, one in rankings.items()
    }
    change = paired_bootstrap(ranking_scores(rankings, None, images), ranking_scores(better, None, images))
    assert change["mrr"].low > 0.5 and change["mean_rank"].high < 0


def test_wrong_numbers_are_told():
    with pytest.raises(UserError, match="round a: 3 candidates, the true one at 0, and 2 values"):
        ranking_scores({"a": Ranking(0, 3, (1, 2))})
    with pytest.raises(UserError, match="the true one at 3"):
        ranking_scores({"a": Ranking(3, 3)})
    with pytest.raises(UserError, match="no questions to score"):
        ranking_scores({})


def test_mrr_is_the_main_score():
    assert [metric.name for metric in METRICS if metric.main] == ["mrr"]
    assert [m.better for m in METRICS if m.name.endswith("mean_rank")] == ["lower", "lower"]
