"""What all asks share: an answer for each request in its order, whatever of them can be read."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

import pytest
from toy import Broken, Square, request

from frozenvl.evaluation.asks import Ask, Generate
from frozenvl.evaluation.query import Answer
from frozenvl.evaluation.suite import session_of
from frozenvl.util.errors import UserError


class Echo(Ask):
    """Answers each request with its id, the last one first; keeps the batches that it was given."""

    def __init__(self) -> None:
        self.given: list[tuple[tuple[str, ...], list[int], bool]] = []

    def answer(self, requests, batch, prompt_cache, session) -> list[Answer]:
        self.given.append((batch.ids, batch.lengths.tolist(), prompt_cache is not None))
        return [Answer(each.query, each.query.id) for each in reversed(requests)]

    def provenance(self) -> dict[str, Any]:
        return {}


class EchoWhole(Echo):
    shares_prompts = False


@pytest.fixture
def session(tiny_trained, tmp_path):
    return session_of(tiny_trained, tmp_path, ["seeing"], 4, None)


def test_answers_come_in_the_order_of_their_requests_and_what_is_unreadable_is_not_asked(session):
    asked = [
        request("b", Square("b.png"), "Is it?"),
        request("torn", Broken(), "Is it?"),
        request("a", "Is it?"),
    ]
    ask = Echo()
    answers = ask(asked, session)
    assert [answer.query for answer in answers] == [each.query for each in asked]
    assert [answer.text for answer in answers] == ["b", "", "a"]
    assert [bool(answer.unreadable) for answer in answers] == [False, True, False]
    assert answers[1].unreadable == "broken: not a readable image (torn); remove or replace it"
    assert [ids for ids, _, _ in ask.given] == [("b", "a")]


def test_a_batch_of_which_nothing_can_be_read_does_not_reach_the_model(session):
    ask = Echo()
    answers = ask([request("1", Broken("one")), request("2", Broken("two"))], session)
    assert not ask.given
    assert [answer.unreadable.split(":")[0] for answer in answers] == ["one", "two"]


def test_the_common_beginning_of_prompts_is_in_the_cache_and_the_remainders_in_the_batch(session):
    """k = 2 positions an image; the beginning is a start token, an image and a text."""
    plain = copy(session.plain)
    plain.start = [5]
    session = replace(session, plain=plain)
    beginning = (Square("shot.png"), "Question: what color? Answer: red\n")
    asked = [request(name, *beginning, Square(f"{name}.png"), "Question:", shared=2) for name in ("a", "b")]
    parted, whole = Echo(), EchoWhole()
    parted(asked, session)
    whole(asked, session)
    own = 2 + len(session.plain.encode("Question:"))
    common = 1 + 2 + len(session.plain.encode(beginning[1]))
    assert parted.given == [(("a", "b"), [own, own], True)]
    assert whole.given == [(("a", "b"), [common + own] * 2, False)]


def test_a_prompt_that_is_too_long_is_an_error_rather_than_an_unreadable_image(session):
    with pytest.raises(UserError, match="positions"):
        Generate(5)([request("long", Square("a.png"), "color " * 600)], session)
