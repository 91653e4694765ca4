"""Predictions of texts and choices are scored again as their benchmarks score them."""

from __future__ import annotations

import pytest

from frozenvl.metrics import captions, matching, naming, vqa
from frozenvl.metrics.rescored import Rescored
from frozenvl.metrics.rescoring import PROTOCOLS, rescore
from frozenvl.util.errors import UserError


def scored(protocol: str, *rows: dict, **facts) -> Rescored:
    named = {
        f"7/{n}": {"image_id": "photograph", "references": ["a dog"], "text": ""} | row
        for n, row in enumerate(rows)
    }
    return rescore(PROTOCOLS[protocol], named, facts)


def test_captions():
    found = scored("captions", {"text": "a dog"}, {"text": "a cat"})
    texts, references = {"7/0": "a dog", "7/1": "a cat"}, {"7/0": ["a dog"], "7/1": ["a dog"]}
    assert found.result.scores == captions.caption_scores(texts, references).scores
    assert found.asked == {"7/0", "7/1"} and found.per_query.keys() == found.asked


def test_answers_and_names_are_chosen_or_written():
    for protocol, main in (("vqa", "overall"), ("naming", "strict")):
        metrics = {"vqa": vqa.METRICS, "naming": naming.METRICS}[protocol]
        rows = [
            {"text": "dog", "ended": True, "references": ["dog"] * 10} | more
            for more in ({}, {"text": "cat"})
        ]
        found = scored(protocol, *rows)
        assert found.result.scores[main] == 50 and found.result.units == ["photograph"]
        assert not found.redundant
        chosen = scored(protocol, *(row | {"candidates": ["dog", "cat"]} for row in rows))
        assert set(chosen.redundant) == {metric.name for metric in metrics} - {main}


def test_choices_with_winogrounds_items_and_the_row_without_images():
    first = {"candidates": ["b", "a"], "generated": "a", "values": [1.0, 2.0], "text_values": [-2.0, -1.0]}
    second = {"candidates": ["a", "b"], "generated": "a", "values": [3.0, 2.5], "text_values": [-1.0, -2.0]}
    found = scored("matching", first | {"kind": {"tag": "x"}}, second)
    expected = matching.matching_scores(
        {"7/0": True, "7/1": False},
        {"7/0": True, "7/1": False},
        {"7/0": {"tag": "x"}, "7/1": {}},
        {"7/0": "photograph", "7/1": "photograph"},
        [(("7/0", "a"), ("7/1", "b"))],
        {"7/0": {"b": 1.0, "a": 2.0}, "7/1": {"a": 3.0, "b": 2.5}},
    )
    assert found.result.scores == expected.scores
    assert found.result.scores["image"] == 0 and found.result.scores["text_only"] == 50
    assert not found.redundant


def test_ranks_of_true_replies():
    row = {"candidates": [" no", " a dog"], "values": [1.0, 2.0], "mean_values": [2.0, 1.0]}
    judged = row | {"scores": {"no": 1.0}, "kind": {"round": "2"}}
    found = scored(
        "dialogue_ranking", row | {"kind": {"round": "1"}}, judged, {"candidates": ["a dog", "no"]}
    )
    assert found.result.scores["mrr"] == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert found.result.scores["per_token/mrr"] == 0.5 and found.result.scores["round/2"] == 1
    assert (found.result.scores["ndcg"], found.result.scores["per_token/ndcg"]) == (0, 1)
    assert found.result.units == ["photograph"] and found.per_query["7/2"] == 0.5
    with pytest.raises(UserError, match="true reply is not among its candidates"):
        scored("dialogue_ranking", row | {"references": ["a cat"]})


def test_replies_are_answers_or_captions():
    rows = {"text": "A dog."}, {"text": "a cat"}
    as_answers = scored("dialogue_generation", *rows, scored_as="answers", normalisation="official")
    as_captions = scored("dialogue_generation", *rows, scored_as="captions")
    assert (
        as_answers.result.scores == scored("vqa", *rows).result.scores
        and as_answers.result.scores["overall"] == 50
    )
    assert as_captions.result.scores == scored("captions", *rows).result.scores


@pytest.mark.parametrize("torn", [{"unreadable": "torn", "generated": ""}])
def test_an_unreadable_image_is_a_wrong_choice(torn):
    assert scored("matching", {"candidates": ["b", "a"]} | torn).result.scores == {
        "overall": 0,
        "text_only": 0,
    }
