"""Behaviour of all asks: one answer per request, in order, also for unreadable images."""

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
    """Answers each request with its id, in reverse order; records its batches in `given`."""

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


def test_answers_are_in_the_order_of_requests_and_unreadable_ones_are_not_asked(session):
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


def test_a_batch_without_a_readable_prompt_does_not_reach_the_model(session):
    ask = Echo()
    answers = ask([request("1", Broken("one")), request("2", Broken("two"))], session)
    assert not ask.given
    assert [answer.unreadable.split(":")[0] for answer in answers] == ["one", "two"]


def test_the_shared_prefix_of_prompts_is_cached_and_batches_hold_the_rest(session):
    """An image takes k = 2 positions; the shared prefix is a start token, an image and a text."""
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
