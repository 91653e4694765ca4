"""Paired comparison of the predictions of two runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scores import score_of
from trees import BETTER, REFERENCES, WORSE, write_captions

from frozenvl.evaluation.score_file import write_score
from frozenvl.metrics import retrieval
from frozenvl.metrics.captions import caption_scores
from frozenvl.metrics.tokenizers import TOKENIZERS, record_of
from frozenvl.metrics.vectors import encoded
from frozenvl.metrics.vqa_rules import RULES
from frozenvl.report.compare import compare
from frozenvl.util.errors import UserError


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_differences_and_the_queries_with_the_largest():
    result = compare(write_captions("a", WORSE), write_captions("b", BETTER))
    change = result.differences["CIDEr"]
    assert change.difference > 0 and change.low <= change.difference <= change.high
    assert set(result.changed[:2]) == {"2", "3"} and result.changed[2] == "1"
    assert result.per_query["1"][0] == result.per_query["1"][1]
    assert result.warnings == []


def test_a_run_does_not_differ_from_itself():
    same = write_captions("a", BETTER)
    result = compare(same, same)
    assert all((d.difference, d.low, d.high) == (0, 0, 0) and d.p == 1 for d in result.differences.values())


def test_a_different_provenance_is_a_warning():
    result = compare(
        write_captions("a", WORSE), write_captions("b", BETTER, decoding={"num_beams": 5}, model="another")
    )
    assert result.warnings == ["decoding differs: greedy and {'num_beams': 5}"]


def test_models_of_different_steps_are_a_warning():
    result = compare(write_captions("a", WORSE, {"step": 5}), write_captions("b", BETTER, {"step": 1500}))
    assert result.warnings == ["optimiser steps differ: 5 and 1,500"]


def test_warnings_have_no_hashes():
    one = {
        "references": "838a7861b0c44dd2",
        "demonstrations": "rices",
        "versions": {"torch": "1", "timm": "1"},
    }
    other = {
        "references": "8300fd0f0a9ce911",
        "demonstrations": "fixed",
        "versions": {"torch": "2", "timm": "1"},
    }
    assert compare(write_captions("a", WORSE, **one), write_captions("b", BETTER, **other)).warnings == [
        "the references differ",
        "demonstrations differ: most similar and fixed",
        "versions.torch differs: 1 and 2",
    ]


def test_a_missing_provenance_is_a_warning():
    one, other = write_captions("a", WORSE), write_captions("b", BETTER)
    other.with_name("score.json").unlink()
    assert "no b/score.json" in compare(one, other).warnings[0]


def answered(folder: str, rows: list[dict], protocol: str, **provenance: str) -> Path:
    """Writes a predictions.jsonl of answers with the score.json beside it; returns its path."""
    path = Path(folder) / "predictions.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(
        "".join(
            json.dumps({"id": str(n), "image_id": str(n), "question": "This is a"} | row) + "\n"
            for n, row in enumerate(rows)
        )
    )
    score = score_of("x", {"overall": 1.0}, protocol=protocol, provenance=provenance)
    write_score(path.with_name("score.json"), score)
    return path


@pytest.mark.parametrize("chosen", [False, True])
def test_names_are_scored_by_the_strict_and_the_lenient_rule(chosen):
    row = {"references": ["dax"], "ended": True} | ({"candidates": ["dax", "fep"]} if chosen else {})
    right, wrong = row | {"text": "dax"}, row | {"text": "fep" if chosen else "dax. It is red"}
    a, b = (
        answered(run, rows, protocol="naming")
        for run, rows in (("a", [wrong, wrong, right]), ("b", [right, wrong, right]))
    )
    result = compare(a, b)
    assert set(result.differences) == ({"strict"} if chosen else {"strict", "first_phrase"})
    assert result.a["strict"] == pytest.approx(100 / 3)
    assert result.differences["strict"].difference == pytest.approx(100 / 3)
    assert result.changed[0] == "0" and result.per_query["0"] == (0.0, 100.0)
    assert chosen or result.differences["first_phrase"].difference == 0


def test_answers_are_compared_by_the_recorded_rules():
    known = {"references": ["cat"] * 10}
    for name in RULES:
        a, b = (
            answered(f"{run}-{name}", [known | {"text": text}], "vqa", normalisation=RULES[name].record)
            for run, text in (("a", "dog"), ("b", "Cat."))
        )
        expected = 0.0 if name == "official" else 100.0
        assert compare(a, b).differences["overall"].difference == expected


def test_captions_are_compared_by_the_recorded_tokenizer():
    texts = {"1": "a dog runs", "2": "two red bird", "3": "a cat sit"}
    for name in TOKENIZERS:
        record = record_of(name)
        a, b = (
            write_captions(f"{run}-{name}", said, metrics_tokenizer=record)
            for run, said in (("a", WORSE), ("b", texts))
        )
        result = compare(a, b)
        expected = caption_scores(texts, REFERENCES, tokenizer=name).scores
        found = {key: result.a[key] + change.difference for key, change in result.differences.items()}
        assert found == pytest.approx(expected) and result.warnings == []


def test_different_rules_are_a_warning_and_the_first_ones_are_used():
    known = {"references": ["cat"] * 10, "text": "Cat."}
    a, b = (
        answered(name, [known], "vqa", normalisation=RULES[name].record) for name in ("lavis", "official")
    )
    result = compare(a, b)
    assert (result.a["overall"], result.differences["overall"].difference) == (100.0, 0.0)
    assert result.warnings == ["normalisation differs: lavis: both sides always and VQA v2's official"]
    b.with_name("score.json").unlink()
    assert compare(b, a).a["overall"] == 100.0, "the rules of B are used if those of A are not known"


def test_soft_scores_are_compared_if_there_are_any():
    known = {"references": [], "scores": {"dog": 1.0, "puppy": 0.3}}
    a = answered("a", [known | {"text": "puppy"}], protocol="vqa")
    b = answered("b", [known | {"text": "dog"}], protocol="vqa")
    result = compare(a, b)
    assert (result.a["overall"], result.differences["overall"].difference) == pytest.approx((30.0, 70.0))


def pictured(folder: str, found: tuple[int, int], **score: object) -> Path:
    """Writes the predictions of a retrieval among two images with a caption each: the image found for each caption."""
    path = Path(folder) / "predictions.jsonl"
    path.parent.mkdir(parents=True)
    rows = []
    for number in range(2):
        row = {"image_id": str(number), "text": "", "references": []}
        caption = {"references": [f"caption {number}"], "vector": encoded(np.eye(2)[found[number]])}
        rows += [row | {"id": f"{number}/image", "vector": encoded(np.eye(2)[number])}]
        rows += [row | {"id": f"{number}/caption0"} | caption]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    known = {"protocol": "retrieval", "metrics": retrieval.METRICS} | score
    write_score(path.with_name("score.json"), score_of("retrieval", {"rsum": 1.0}, **known))
    return path


def test_retrievals_are_compared_by_their_own_embeddings():
    result = compare(pictured("a", (1, 0)), pictured("b", (0, 1)))
    assert (result.a["t2i_r1"], result.differences["t2i_r1"].difference) == (0, 100)
    assert result.per_query == {"0": (400, 600), "1": (400, 600)}
    assert [rows["0"]["text"] for rows in result.records] == ["caption 1", "caption 0"]
    assert result.metrics == retrieval.METRICS


def test_a_reranked_retrieval_is_compared_with_a_plain_one_by_their_common_scores():
    one, other = pictured("a", (1, 0)), pictured("b", (0, 1), provenance={"rerank": 1})
    rows = [json.loads(line) for line in other.read_text().splitlines()]
    for number in range(2):
        rows[2 * number]["kind"] = {"place": str(number)}
        found = {"candidates": [f" caption {number}"], "values": [0.5]}
        rows.append({"id": f"{number}/rerank", "image_id": str(number), "text": "", "references": []} | found)
    other.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert compare(one, other).differences.keys() == compare(one, one).differences.keys()
    assert {"reranked/i2t_r1", "gain/i2t_r1"} < compare(other, other).differences.keys()


def test_what_is_missing_to_compare_embeddings_is_named():
    one, other = pictured("a", (1, 0)), pictured("b", (0, 1), provenance={"folds": 2})
    with pytest.raises(UserError, match=r"^b/predictions\.jsonl: its folds .* evaluate the run again"):
        compare(one, other)
    for path in (one, other):
        path.with_name("score.json").unlink()
    with pytest.raises(UserError, match=r"^a/predictions\.jsonl: no score\.json stands beside it"):
        compare(one, other)
