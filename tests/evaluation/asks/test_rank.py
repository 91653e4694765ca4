"""Rank: the log-likelihood of each candidate, in total and per token."""

from __future__ import annotations

import pytest
from suites import toy
from toy import Rows, Square, question

from frozenvl.evaluation import FewShotVQA
from frozenvl.evaluation.asks import Choose, Rank
from frozenvl.evaluation.query import Query, Request
from frozenvl.evaluation.suite import session_of
from frozenvl.model.frozen import FrozenVL


def requests(*candidates: str) -> list[Request]:
    prompts = [(Square(f"{n}.png", (90 * n, 9, 99)), "Question: what color? Answer:") for n in range(2)]
    queries = [Query(str(n), prompt, str(n), candidates=candidates) for n, prompt in enumerate(prompts)]
    return [Request(query, query.prompt, 0) for query in queries]


@pytest.mark.parametrize("end_token", [True, False])
def test_totals_and_means_are_those_of_choose(tiny_trained, tmp_path, end_token):
    session = session_of(tiny_trained, tmp_path, ["seeing"], 8, None)
    asked = requests(" red", " a large red circle", " 3")
    ranked = Rank(end_token)(asked, session)
    total, mean = (Choose(measure, end_token=end_token)(asked, session) for measure in ("sum", "mean"))
    assert [answer.values for answer in ranked] == [answer.values for answer in total]
    assert [answer.mean_values for answer in ranked] == [answer.values for answer in mean]
    assert [answer.generated for answer in ranked] == [answer.generated for answer in total]
    # The order by total prefers short texts: it need not be the order by mean.
    lengths = [len(session.plain.encode(text)) + end_token for text in asked[0].query.candidates]
    for answer in ranked:
        ratios = [value / mean for value, mean in zip(answer.values, answer.mean_values, strict=True)]
        assert ratios == pytest.approx(lengths)


def test_equal_candidates_are_computed_once(tiny_trained, tmp_path, monkeypatch):
    session = session_of(tiny_trained, tmp_path, ["seeing"], 8, None)
    computed = []
    rank_candidates = FrozenVL.rank_candidates
    monkeypatch.setattr(
        FrozenVL,
        "rank_candidates",
        lambda self, processor, prompts, candidates, cache: (
            computed.extend(candidates) or rank_candidates(self, processor, prompts, candidates, cache)
        ),
    )
    (first, _) = Rank()(requests(" red", " 3", " red"), session)
    assert computed == [[" red", " 3"]] * 2 and first.values[0] == first.values[2] != first.values[1]


def test_options_are_recorded():
    assert Rank(False).provenance() == {
        "ranked_by": "log-likelihood, in total and per token",
        "end_token": False,
    }


def test_it_takes_the_queries_of_other_benchmarks(tiny_trained, tmp_path):
    session = session_of(tiny_trained, tmp_path, ["seeing"], 8, None)
    made = toy(vqa=FewShotVQA(source=Rows(question(1, choices=("yes", "no"))), shots=[0], choose="sum"))[
        "vqa"
    ]
    (query,) = made.queries(made.settings()[0])
    (answer,) = Rank()([Request(query, query.prompt, 0)], session)
    assert len(answer.values) == len(answer.mean_values) == 2
