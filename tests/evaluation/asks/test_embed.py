"""Embeddings of prompts."""

from __future__ import annotations

import numpy as np
import pytest
from toy import Broken, Square, request

from frozenvl.evaluation.asks import Embed
from frozenvl.evaluation.suite import session_of


def test_embeddings_do_not_depend_on_the_batch(tiny_trained, tmp_path):
    """The prompts have different lengths, so that the batch has padding."""
    session = session_of(tiny_trained, tmp_path, ["seeing"], 4, None)
    asked = [
        request("text", "a large red circle to the left of two small blue stars"),
        request("image", Square("a.png")),
        request("both", Square("b.png", (9, 200, 9)), "Question: what color is it?"),
    ]
    answers = Embed()(asked, session)
    assert [answer.query.id for answer in answers] == ["text", "image", "both"]
    for answer in answers:
        alone = session.model.embed(session.plain([answer.query.prompt])).numpy()[0]
        assert answer.vector.dtype == np.float32 and answer.vector.shape == (session.model.language.dim,)
        assert answer.vector == pytest.approx(alone, rel=1e-4, abs=1e-5)
    assert np.abs(answers[0].vector - answers[1].vector).max() > 0.01


def test_an_unreadable_image_has_no_vector(tiny_trained, tmp_path):
    session = session_of(tiny_trained, tmp_path, ["seeing"], 4, None)
    torn, whole = Embed()([request("torn", Broken()), request("whole", Square("a.png"))], session)
    assert torn.vector is None and "broken: not a readable image" in torn.unreadable
    assert whole.vector is not None and whole.unreadable == ""


def test_embed_gives_no_text_and_records_which_state_it_returns():
    assert not Embed.gives_text and not Embed.shares_prompts
    assert Embed().provenance() == {"embedded_by": "last hidden state at the last position"}
