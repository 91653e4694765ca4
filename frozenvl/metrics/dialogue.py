"""Ranking of candidate replies in dialogue, as in VisDial's evaluation: MRR, R@1, R@5, R@10, mean rank and NDCG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from frozenvl.metrics.accuracy import AccuracyScores, Groups, accuracy_scores
from frozenvl.metrics.metric import Metric
from frozenvl.metrics.retrieval import RECALLS
from frozenvl.util.errors import UserError

PER_TOKEN = "per_token/"
"""Prefix of the scores of a ranking by log-likelihood per token."""


def _metrics() -> tuple[Metric, ...]:
    """Returns the scores of the ranking by total log-likelihood, then those of the ranking per token."""
    described = [
        Metric("mrr", digits=3, main=True),
        *(Metric(f"r{k}", "%") for k in RECALLS),
        Metric("mean_rank", better="lower"),
        Metric("ndcg", digits=3),
    ]
    return (*described, *(replace(one, name=PER_TOKEN + one.name, main=False) for one in described))


METRICS = _metrics()
"""Descriptions of these scores. `ndcg` is given if there are relevances."""


@dataclass(frozen=True)
class Ranking:
    """Values of the candidates of one round."""

    gold: int
    """Index of the true reply among the candidates."""
    candidates: int
    """Number of candidates."""
    values: Sequence[float] = ()
    """Log-likelihood of each candidate; () if the prompt could not be read, which counts as the worst order."""
    per_token: Sequence[float] = ()
    """Log-likelihood of each candidate, divided by its number of tokens; () if it could not be read."""
    relevance: Sequence[float] = ()
    """Relevance of each candidate; () if nobody judged it."""


def ranking_of(
    candidates: Sequence[str],
    references: Sequence[str],
    relevance: Mapping[str, float],
    values: Sequence[float],
    per_token: Sequence[float],
) -> Ranking:
    """Makes the ranking of a round from its texts.

    Args:
        candidates: texts of the candidates.
        references: text of the true one, without white space at its ends.
        relevance: text of a relevant candidate → its relevance; {} if nobody judged them.
        values: log-likelihood of each candidate; () if the prompt could not be read.
        per_token: log-likelihood per token of each; () if the prompt could not be read.

    Raises:
        UserError: if the true one is not among the candidates.
    """
    texts = [text.strip() for text in candidates]
    if not references or references[0] not in texts:
        raise UserError("a round's true reply is not among its candidates; add it, or leave the round out")
    judged = [relevance.get(text, 0.0) for text in texts] if relevance else ()
    return Ranking(texts.index(references[0]), len(texts), values, per_token, judged)


def gold_rank(values: Sequence[float], gold: int, candidates: int) -> int:
    """Returns the rank of the true reply, from 1: one more than the number of other candidates not below it.

    Equal values count against the model. Without values, all are equal.
    """
    if not len(values):
        return candidates
    compared = np.asarray(values)
    return int((compared >= compared[gold]).sum())


def ndcg(values: Sequence[float], relevance: Sequence[float]) -> float:
    """Returns the normalised discounted cumulative gain of one round; nan if no candidate is relevant.

    It is Σ relevance / log2(i + 1) over the first k candidates (i from 1), divided by the same sum of the best order.
    k is the number of relevant candidates (VisDial challenge, 2018). Equal values count against the model: the less
    relevant candidate is first. Without values, all are equal.
    """
    judged = np.asarray(relevance, dtype=float)
    k = int((judged != 0).sum())
    if not k:
        return math.nan
    compared = np.asarray(values, dtype=float) if len(values) else np.zeros(len(judged))
    order = np.lexsort((judged, -compared))
    discounts = np.log2(np.arange(2, k + 2))
    return float((judged[order[:k]] / discounts).sum() / (np.sort(judged)[::-1][:k] / discounts).sum())


def places(values: Sequence[float]) -> list[int]:
    """Returns the place of each candidate in the order by value, from 1, for a file of ranks.

    All places differ, as the evaluation server requires: of equal values, the one that is listed first is first.
    """
    order = np.argsort(-np.asarray(values, dtype=float), kind="stable")
    found = np.empty(len(order), dtype=int)
    found[order] = np.arange(1, len(order) + 1)
    return found.tolist()


def chance(counts: Sequence[int]) -> float:
    """Returns the expected MRR of a random order, for rounds with these numbers of candidates: the mean of H_n / n."""
    means = {n: sum(1 / rank for rank in range(1, n + 1)) / n for n in {*counts}}
    return sum(means[n] for n in counts) / len(counts)


def ranking_scores(
    rankings: Mapping[str, Ranking], groups: Groups | None = None, images: Mapping[str, str] | None = None
) -> AccuracyScores:
    """Computes the scores of rounds, by total log-likelihood and (with the prefix `per_token/`) per token.

    The scores are `mrr`, `r1`, `r5`, `r10` (in percent), `mean_rank` and, over the rounds whose candidates were judged,
    `ndcg`. `mrr` and `ndcg` lie between 0 and 1. The MRR of each group is given by its name, such as `round/3`.
    `per_question` has the reciprocal rank of each round.

    Args:
        rankings: id of a round → its candidates.
        groups: id of a round → groups, like {"image 1, round 3": {"round": "3"}}.
        images: id of a round → image id, so that intervals resample images with all their rounds.

    Raises:
        UserError: if there are no rounds, or the numbers of values and candidates differ.
    """
    for key, one in rankings.items():
        given = [values for values in (one.values, one.per_token, one.relevance) if len(values)]
        if not 0 <= one.gold < one.candidates or any(len(values) != one.candidates for values in given):
            raise UserError(
                f"round {key}: {one.candidates} candidates, the true one at {one.gold}, and "
                f"{' and '.join(str(len(values)) for values in given) or 'no'} values; give each candidate one of each"
            )
    total = _scores({key: one.values for key, one in rankings.items()}, rankings, groups, images)
    mean = _scores({key: one.per_token for key, one in rankings.items()}, rankings, None, images)
    return AccuracyScores(
        total.scores | {PER_TOKEN + name: value for name, value in mean.scores.items()},
        total.per_question,
        total.units,
        total.sums | {PER_TOKEN + name: sums for name, sums in mean.sums.items()},
    )


def _scores(
    values: Mapping[str, Sequence[float]],
    rankings: Mapping[str, Ranking],
    groups: Groups | None,
    images: Mapping[str, str] | None,
) -> AccuracyScores:
    """Returns the scores of the orders by `values`."""
    ranks = {key: gold_rank(values[key], one.gold, one.candidates) for key, one in rankings.items()}
    reciprocal = accuracy_scores({key: 1 / rank for key, rank in ranks.items()}, groups, images)
    groups_of = {name: value for name, value in reciprocal.scores.items() if name != "overall"}
    scores, sums = {"mrr": reciprocal.scores["overall"]}, {"mrr": reciprocal.sums["overall"]}
    others = {f"r{k}": {key: 100.0 * (rank <= k) for key, rank in ranks.items()} for k in RECALLS}
    others["mean_rank"] = {key: float(rank) for key, rank in ranks.items()}
    for name, of_round in others.items():
        counted = accuracy_scores(of_round, None, images)
        scores[name], sums[name] = counted.scores["overall"], counted.sums["overall"]
    gains = {key: ndcg(values[key], one.relevance) for key, one in rankings.items() if len(one.relevance)}
    if gains := {key: gain for key, gain in gains.items() if not math.isnan(gain)}:
        gained = accuracy_scores({key: gains.get(key, 0.0) for key in rankings}, None, images).sums["overall"]
        judged = accuracy_scores({key: float(key in gains) for key in rankings}, None, images).sums["overall"]
        sums["ndcg"] = np.stack([gained[:, 0], judged[:, 0]], axis=1)
        scores["ndcg"] = float(gained[:, 0].sum() / len(gains))
    sums |= {name: reciprocal.sums[name] for name in groups_of}
    return AccuracyScores(scores | groups_of, reciprocal.per_question, reciprocal.units, sums)
