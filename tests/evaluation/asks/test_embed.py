"""Embeddings of prompts."""

from __future__ import annotations

import numpy as np
import pytest
from retrieval_models import retrieval_model
from toy import Broken, Square, request

from frozenvl.evaluation.asks import Embed
from frozenvl.evaluation.session import Session
from frozenvl.evaluation.suite import session_of
from frozenvl.util.errors import UserError


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


@pytest.mark.parametrize("images", ["features", "prompt"])
def test_a_head_embeds_images_and_texts_as_the_model_does(tiny_language, tiny_vision, tmp_path, images):
    model = retrieval_model(tiny_language, tiny_vision, images=images).eval()
    processor = model.processor()
    session = Session(model, processor, tmp_path, {"blind": False}, 0, 4)
    picture = Square("a.png")
    asked = [request("text", "two blue stars"), request("image", picture), request("torn", Broken())]
    text, image, torn = Embed(head="")(asked, session)
    assert text.vector == pytest.approx(model.embed_texts(processor, ["two blue stars"]).numpy()[0], abs=1e-5)
    assert image.vector == pytest.approx(model.embed_images(processor, [picture]).numpy()[0], abs=1e-5)
    assert torn.vector is None and torn.unreadable
    assert Embed(head="r").provenance() == {"embedded_by": "head r"}


def test_a_head_that_the_model_lacks_is_one_line(tiny_trained, tmp_path):
    session = session_of(tiny_trained, tmp_path, ["seeing"], 4, None)
    with pytest.raises(UserError, match="no embedding head"):
        Embed(head="")([request("text", "two")], session)
