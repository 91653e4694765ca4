"""Judging the candidates of a query, by a matching head or by an answer."""

from __future__ import annotations

import pytest
from retrieval_models import retrieval_model
from toy import Broken, Square

from frozenvl.evaluation.asks import Choose, Match
from frozenvl.evaluation.asks.match import choosing
from frozenvl.evaluation.query import Query, Request
from frozenvl.evaluation.session import Session
from frozenvl.model.heads import Matching
from frozenvl.prompt import black, with_images
from frozenvl.util.errors import UserError

QUERIES = [
    Query("a", (Square("a.png"),), "a", candidates=(" two blue stars", " red circle", " a child")),
    Query("b", (Square("b.png", (9, 99, 200)), "It shows"), "b", candidates=(" no", " a dress")),
]


@pytest.fixture
def session(tiny_language, tiny_vision, tmp_path):
    model = retrieval_model(tiny_language, tiny_vision, extra={"m": Matching()}).eval()
    return Session(model, model.processor(), tmp_path, {"blind": False}, 0, 4)


def asked(ask, session, queries=QUERIES, see=None):
    shown = [query.prompt if see is None else with_images(query.prompt, see) for query in queries]
    return ask([Request(query, prompt, 0) for query, prompt in zip(queries, shown, strict=True)], session)


@pytest.mark.parametrize("by", ["head", "yes"])
def test_values_are_those_of_the_model_and_the_highest_is_chosen(session, by):
    judge = session.model.match if by == "head" else session.model.match_by_answer
    texts = asked(Choose(text_only=True), session)
    for query, answer, text in zip(QUERIES, asked(Match(by, text_only=True), session), texts, strict=True):
        pairs = [(query.prompt[0], candidate.strip()) for candidate in query.candidates]
        expected = judge(session.plain, pairs).tolist()
        assert answer.values == pytest.approx(expected, abs=1e-4)
        assert answer.generated == query.candidates[expected.index(max(expected))] and answer.ended
        assert answer.text == answer.generated.strip()
        assert answer.text_values == pytest.approx(text.text_values, abs=1e-4)


def test_images_are_judged_as_the_view_shows_them(session):
    seen, blind = (asked(Match(text_only=True), session, see=see) for see in (None, black))
    for query, one, other in zip(QUERIES, seen, blind, strict=True):
        pairs = [(black(query.prompt[0]), candidate.strip()) for candidate in query.candidates]
        assert other.values == pytest.approx(session.model.match(session.plain, pairs).tolist(), abs=1e-4)
        assert other.values != one.values and other.text_values == one.text_values


def test_an_unreadable_image_has_no_values(session):
    torn = Query("torn", (Broken(),), "torn", candidates=(" x", " y"))
    first, second = asked(Match(), session, [torn, QUERIES[0]])
    assert first.unreadable and first.values == () and second.values


def test_a_query_without_an_image_is_refused(session):
    with pytest.raises(UserError, match="query t shows no image"):
        asked(Match(), session, [Query("t", ("words",), "t", candidates=(" x", " y"))])


def test_a_missing_head_is_found_before_the_first_query(tiny_language, tiny_vision, tmp_path):
    model = retrieval_model(tiny_language, tiny_vision)
    session = Session(model, model.processor(), tmp_path, {"blind": False}, 0, 4)
    with pytest.raises(UserError, match="no matching head"):
        Match().check(session)
    Match("yes").check(session)


def test_options_are_part_of_the_provenance_and_checked():
    assert Match().provenance() == {"chosen_by": "the model's matching head"}
    assert Match(head="m", text_only=True, end_token=False).provenance() == {
        "chosen_by": "matching head m",
        "text_only": True,
        "end_token": False,
    }
    assert Match("yes", question="Is it {text}?").provenance()["question"] == "Is it {text}?"
    assert "compares an image" in Match.needs_prefix
    with pytest.raises(UserError, match="question is 'Is it'"):
        Match("yes", question="Is it")


def test_a_way_is_a_measure_of_choose_or_one_of_match():
    assert choosing("difference", 0.5, "m", end_token=False) == Choose("difference", 0.5, end_token=False)
    assert choosing("head", 0.5, "m", text_only=True) == Match("head", "m", text_only=True)
    assert choosing("yes", question="{text}?") == Match("yes", question="{text}?")


def test_without_text_only_nothing_is_computed_without_images(session):
    assert [answer.text_values for answer in asked(Match(), session)] == [(), ()]
