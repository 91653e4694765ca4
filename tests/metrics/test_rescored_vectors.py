"""Embeddings in predictions are scored again exactly as their benchmarks score them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from suites import toy
from toy import Rows, Square

from frozenvl.evaluation import Retrieval, Tagging, ZeroShot
from frozenvl.evaluation.benchmark import Benchmark
from frozenvl.evaluation.partial import row_of
from frozenvl.evaluation.query import Answer, Query, Request
from frozenvl.metrics.rescored import Rescored
from frozenvl.metrics.rescoring import PROTOCOLS, rescore
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError

TEXTS = ("a dog", "two dogs run", "a red cat", "a dog", "snow", "a red dog", "cats sleep")


def example(number: int, **more: Any) -> Example:
    """Makes an image with two captions, of which other images have some too; the last ids sort before the first."""
    texts = (TEXTS[number % 7], TEXTS[(3 * number + 1) % 7])
    given = {
        "image": Square(f"{number}.png"),
        "image_id": f"photograph {number // 2}",
        "references": texts,
    } | more
    return Example(f"{20 - number}/x", **given)


def answer(query: Query, torn: str) -> Answer:
    """Answers a query by random values and vectors that depend on its id; the image `torn` is unreadable."""
    if query.id.startswith(torn) and query.image_id:
        return Answer(query, unreadable="torn")
    random = np.random.default_rng(sum(query.id.encode()))
    if query.candidates:
        return Answer(query, values=tuple(random.standard_normal(len(query.candidates)).round(4).tolist()))
    return Answer(query, vector=random.standard_normal(4).astype("f4"))


def both(
    made: Benchmark, torn: str = "19/x/image", drop: tuple[str, ...] = (), kind: bool = True
) -> tuple[Any, Rescored]:
    """Returns the benchmark's own scores, and those of the rows that it leaves, sorted by id."""
    (setting,) = toy(toy=made)["toy"].settings()
    answers = {query.id: answer(query, torn) for query in made.queries(setting)}
    answers |= {query.id: answer(query, torn) for query in made.further_queries(setting, answers)}
    rows = {key: row_of(Request(a.query, a.query.prompt, 0), a) for key, a in sorted(answers.items())}
    facts = {**setting.facts, **setting.provenance, **made.scored_by(setting)}
    for row in () if kind else rows.values():
        row.pop("kind", None)
    facts = {key: value for key, value in facts.items() if key not in drop}
    return made.score(setting, answers), rescore(PROTOCOLS[made.protocol], rows, facts)


def same(own: Any, again: Rescored) -> None:
    assert again.result.scores == pytest.approx(dict(own.scores), nan_ok=True)
    assert sorted(again.result.units) == sorted(own.units)
    order = [own.units.index(unit) for unit in again.result.units]
    weights = np.random.default_rng(0).integers(3, size=(5, len(own.units))).astype(float)
    resampled = own.reweighted(weights)
    for name, values in again.result.reweighted(weights[:, order]).items():
        assert values == pytest.approx(resampled[name], nan_ok=True)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"folds": 3},
        {"rerank": 4, "rerank_by": "sum"},
        {"rerank": 10, "similarity_weight": 2.0},
        {"bank": Rows(*(example(n, image=Square(f"bank {n}.png")) for n in range(40, 45)))},
    ],
)
def test_retrieval(options):
    own, again = both(Retrieval(source=Rows(*map(example, range(12))), **options))
    same(own, again)
    assert "20/x/caption1" in again.asked and not any("rerank" in key for key in again.asked)
    if "folds" in options:
        assert "folds/i2t_r1" in own.scores
    if "rerank" in options:
        assert {"reranked/i2t_r1", "gain/i2t_r1"} < own.scores.keys()


def test_an_images_share_of_rsum_and_its_first_caption():
    images = [example(0, references=("one",)), example(2, references=("two",))]
    made = toy(toy=Retrieval(source=Rows(*images)))["toy"]
    (setting,) = made.settings()
    vectors = {"20/x/image": [1, 0], "20/x/caption0": [1, 0], "18/x/image": [1, 0.1], "18/x/caption0": [0, 1]}
    answers = {q.id: Answer(q, vector=np.array(vectors[q.id], "f4")) for q in made.queries(setting)}
    rows = {key: row_of(Request(a.query, a.query.prompt, 0), a) for key, a in answers.items()}
    found = rescore(PROTOCOLS["retrieval"], rows, setting.provenance)
    # image 18's nearest caption is that of 20; caption 18 is nearer to its own image
    assert found.per_query == {"20/x": 600, "18/x": 500}
    assert found.shown["18/x"] == {"text": "one", "references": ["two"]}
    assert np.mean([*found.per_query.values()]) == found.result.scores["rsum"]


def test_retrieval_without_places_is_scored_unless_they_matter():
    images = Rows(*(example(n, references=(f"caption {n}",)) for n in range(6)))
    own, again = both(Retrieval(source=images), kind=False)
    assert again.result.scores == pytest.approx(own.scores)
    for options in ({"folds": 2}, {"rerank": 2}):
        with pytest.raises(UserError, match="without the places of images; evaluate the run again"):
            both(Retrieval(source=images, **options), kind=False)


@pytest.mark.parametrize("by", ["embedding", "likelihood", "both"])
def test_classification(by):
    images = [
        example(n, references=(label,), answer=label) for n, label in enumerate(["dog", "cat", "emu"] * 3)
    ]
    own, again = both(
        ZeroShot(source=Rows(*images), by=by, templates=["a {label} here", "{label}"]), torn="19/x"
    )
    same(own, again)
    assert again.per_query == own.per_query
    assert "label emu" in again.asked and "19/x" in again.asked and len(again.asked) == 12
    assert sorted(again.shown["20/x"]["text"].split(", ")) == ["cat", "dog", "emu"]


@pytest.mark.parametrize("by", ["embedding", "both"])
def test_tags(by):
    made = Tagging(
        source=Rows(*map(example, range(8))), labels=["dog", "red", "cat", "emu"], min_captions=1, k=2, by=by
    )
    own, again = both(made, torn="19/x")
    same(own, again)
    assert set(again.per_query.values()) <= {0, 50, 100} and len(again.per_query) == 8
    with pytest.raises(UserError, match="does not record labels"):
        both(made, drop=("labels",))
