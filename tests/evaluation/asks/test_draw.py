"""Pictures of texts by a drawing head."""

from __future__ import annotations

import numpy as np
import pytest
from autoencoders import autoencoder, autoencoding
from toy import request

from frozenvl.evaluation.asks import Draw
from frozenvl.evaluation.session import Session
from frozenvl.model.heads import Drawing
from frozenvl.util.errors import UserError


def test_each_prompt_is_drawn_as_the_model_draws_it(tiny_language, tmp_path):
    heads = {"d": Drawing(2, dim=8, depth=1, heads=2)}
    model = autoencoding(tiny_language, autoencoder(levels=[3, 3]), heads=heads).eval()
    session = Session(model, model.processor(), tmp_path, {"blind": False}, 0, 4)
    texts = ["a red circle", "a blue star"]
    answers = Draw(seed=3)([request(text, text) for text in texts], session)
    drawn = model.draw(session.plain, texts, seed=3)
    assert all(
        np.array_equal(answer.picture, picture) for answer, picture in zip(answers, drawn, strict=True)
    )
    assert Draw(seed=3).provenance() == {
        "drawn_by": "the model's drawing head",
        "seed": 3,
        "temperature": 1.0,
    }


def test_a_model_without_a_head_is_refused(tiny_language, tmp_path):
    model = autoencoding(tiny_language, autoencoder())
    with pytest.raises(UserError, match="has no drawing head"):
        Draw().wording(Session(model, model.processor(), tmp_path, {"blind": False}, 0, 4))
