"""Embeddings and likelihoods in one batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
from toy import Broken, Square, request

from frozenvl.evaluation.asks import Choose, Embed, EmbedAndChoose
from frozenvl.evaluation.query import Request
from frozenvl.evaluation.suite import session_of
from frozenvl.training.trained_run import load_trained


def choice(key: str, *prompt) -> Request:
    asked = request(key, *prompt)
    return replace(asked, query=replace(asked.query, candidates=(" red", " two blue stars")))


def test_each_query_is_answered_as_by_its_own_request_type(headed, tmp_path):
    session = session_of(load_trained(headed), tmp_path, ["seeing"], 8, None)
    embed, choose = Embed(""), Choose("difference")
    mixed = [
        choice("c1", Square("a.png"), "Is it"),
        request("e1", "a red circle"),
        choice("c2", Broken(), "Is it"),
        request("e2", Square("b.png")),
        choice("c3", Square("b.png")),
    ]
    answers = EmbedAndChoose(embed, choose)(mixed, session)
    assert [answer.query.id for answer in answers] == ["c1", "e1", "c2", "e2", "c3"]
    alone = {a.query.id: a for a in [*embed(mixed[1::2], session), *choose(mixed[::2], session)]}
    for answer in answers:
        expected = alone[answer.query.id]
        assert answer.values == pytest.approx(expected.values, abs=1e-5)
        assert answer.text_values == pytest.approx(expected.text_values, abs=1e-5)
        assert (answer.vector is None) is (expected.vector is None)
        if answer.vector is not None:
            assert answer.vector == pytest.approx(expected.vector, abs=1e-5)
    assert "torn" in answers[2].unreadable and len(answers[4].values) == 2
    one_kind = EmbedAndChoose(embed, choose)(mixed[1::2], session)
    assert [answer.vector is not None for answer in one_kind] == [True, True]


def test_both_are_recorded():
    ask = EmbedAndChoose(Embed("r"), Choose("calibrated"))
    assert ask.provenance() == {"embedded_by": "head r", "chosen_by": "likelihood, calibrated"}
    assert ask.needs_images and not ask.needs_prefix and not ask.gives_text
