"""Re-ranked texts of a beam search: which are compared, by what, and which wins."""

from __future__ import annotations

import pytest
from retrieval_models import retrieval_model
from toy import Square

from frozenvl.evaluation import Captions
from frozenvl.evaluation.asks import Generate, Rerank, Reranked
from frozenvl.evaluation.query import Query, Request
from frozenvl.evaluation.session import Session
from frozenvl.model.generation import Candidate
from frozenvl.model.heads import Matching
from frozenvl.model.language.beam_search import BeamOptions
from frozenvl.prompt import black, with_images
from frozenvl.util.errors import UserError

BEAMS = {"num_beams": 4}
QUERIES = [Query(key, (Square(f"{key}.png", (n * 90, 99, 9)),), key) for n, key in enumerate("abc")]


@pytest.fixture
def session(tiny_language, tiny_vision, tmp_path):
    model = retrieval_model(tiny_language, tiny_vision, extra={"m": Matching()}).eval()
    return Session(model, model.processor(), tmp_path, {"blind": False}, 0, 4)


def asked(ask, session, see=None):
    shown = [query.prompt if see is None else with_images(query.prompt, see) for query in QUERIES]
    return ask([Request(query, prompt, 0) for query, prompt in zip(QUERIES, shown, strict=True)], session)


def reranked(by, weight, **options):
    return Reranked(6, BEAMS, **options, rerank=Rerank(by, weight))


def found(session, see=lambda image: image):
    prompts = [with_images(query.prompt, see) for query in QUERIES]
    return session.model.candidates(session.plain(prompts), session.plain, 6, BeamOptions(4))


@pytest.mark.parametrize("by", ["retrieval", "matching", "text_only"])
def test_weight_0_gives_the_beam_search(session, by):
    plain = asked(Generate(6, BEAMS), session)
    assert [answer.text for answer in asked(reranked(by, 0.0), session)] == [answer.text for answer in plain]


def best_by(session, by, see):
    model, rows = session.model, found(session, see)
    texts = [[one.text.strip() for one in row] for row in rows]
    images = [see(query.prompt[0]) for query in QUERIES]
    if by == "retrieval":
        shown = model.embed_images(session.plain, images)
        fits = [
            (model.embed_texts(session.plain, row) @ image) for row, image in zip(texts, shown, strict=True)
        ]
    elif by == "matching":
        fits = [
            model.match(session.plain, [(image, text) for text in row])
            for image, row in zip(images, texts, strict=True)
        ]
    else:
        spaced = [[f" {text}" for text in row] for row in texts]
        ranked = model.rank_candidates(session.plain.for_texts(), [()] * len(QUERIES), spaced)
        fits = [[-one.logp / one.tokens for one in row] for row in ranked]
    return [row[max(range(len(row)), key=lambda at: fit[at])] for row, fit in zip(texts, fits, strict=True)]


@pytest.mark.parametrize("see", [lambda image: image, black], ids=["seeing", "black"])
@pytest.mark.parametrize("by", ["retrieval", "matching", "text_only"])
def test_a_large_weight_gives_the_text_that_fits_best(session, by, see):
    answers = asked(reranked(by, 1e6), session, see)
    assert [answer.text for answer in answers] == best_by(session, by, see)
    worst = asked(reranked(by, -1e6), session, see)
    assert all(one.text != other.text for one, other in zip(answers, worst, strict=True))


def given(session, monkeypatch, *rows):
    monkeypatch.setattr(
        type(session.model), "candidates", lambda *_: [[Candidate(*one) for one in row] for row in rows]
    )


def test_score_and_fit_are_added(session, monkeypatch):
    rows = [[(" one", True, -1.0), (" two", True, -1.5)]] * 3
    given(session, monkeypatch, *rows)
    monkeypatch.setattr(Rerank, "fits", lambda *_: [[0.0, 0.2], [0.0, 0.3], [0.0, 0.25]])
    assert [answer.text for answer in asked(reranked("retrieval", 2.0), session)] == ["one", "two", "one"]


def test_texts_are_cut_and_empty_ones_are_chosen_only_if_all_are(session, monkeypatch):
    given(
        session,
        monkeypatch,
        [("\nx", True, 0.0), (" a dog\nmore", False, -1.0), (" a cat", False, -2.0)],
        [(" ", True, 0.0), (" two", True, -9.0)],
        [(" ", True, 0.0), ("\n", True, -1.0)],
    )
    seen = []
    monkeypatch.setattr(
        Rerank, "fits", lambda self, session, requests, texts: seen.extend(texts) or [[1.0, 0.5]]
    )
    first, second, third = asked(reranked("retrieval", 1.0), session)
    assert seen == [["a dog", "a cat"]]
    assert (first.text, first.generated, first.ended) == ("a dog", " a dog\nmore", True)
    assert (second.text, third.text) == ("two", "")


@pytest.mark.parametrize("decoding", [{}, {"num_beams": 1}, {"num_beams": 3, "repetition_penalty": 1.2}])
def test_other_decoding_than_beam_search_is_refused(session, decoding):
    ask = Reranked(6, decoding, rerank=Rerank("text_only"))
    with pytest.raises(UserError, match="rerank: give decoding num_beams of at least 2"):
        ask.check(session)


@pytest.mark.parametrize(("by", "kind"), [("retrieval", "embedding head"), ("matching", "matching head")])
def test_a_head_that_the_model_lacks_is_refused(session, by, kind):
    with pytest.raises(UserError, match=kind):
        Reranked(6, BEAMS, rerank=Rerank(by, head="other")).check(session)


def test_it_is_an_option_of_captions_and_in_the_provenance():
    made = Captions(decoding=BEAMS, rerank=Rerank("text_only", 0.5))
    assert isinstance(made.ask, Reranked) and made.ask.needs_prefix
    assert made.ask.provenance()["rerank"] == {"by": "text_only", "weight": 0.5, "head": None}
