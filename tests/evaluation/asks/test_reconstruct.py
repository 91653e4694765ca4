"""Reconstructions of images by a model's autoencoder."""

from __future__ import annotations

import numpy as np
import pytest
from autoencoders import autoencoder, autoencoding
from toy import Broken, Square, request

from frozenvl.evaluation.asks import Reconstruct
from frozenvl.evaluation.session import Session
from frozenvl.model.vision import TimmEncoder
from frozenvl.util.errors import UserError


def session_of(model, folder) -> Session:
    return Session(model, model.processor(), folder, {"blind": False}, 0, 4)


def test_each_picture_is_the_decoded_image(tiny_language, tmp_path):
    model = autoencoding(tiny_language, autoencoder()).eval()
    session = session_of(model, tmp_path)
    one, other = Square("a.png", noise=60), Square("b.png", (9, 200, 9), noise=60)
    asked = [request("1", one), request("2", other), request("torn", Broken()), request("3", one)]
    first, second, torn, again = Reconstruct()(asked, session)
    for answer, image in ((first, one), (second, other), (again, one)):
        pixels = session.plain([(image,)]).images
        assert np.array_equal(answer.picture, model.pictures(model.vision(pixels))[0])
    assert torn.picture is None and torn.unreadable
    assert not np.array_equal(first.picture, second.picture)
    assert Reconstruct().provenance() == {"drawn_by": "the model's autoencoder"}


def test_a_model_without_a_decoder_is_refused(tiny_language, tiny_vision, tmp_path):
    model = autoencoding(tiny_language, TimmEncoder(str(tiny_vision)))
    with pytest.raises(UserError, match="has no decoder"):
        Reconstruct().check(session_of(model, tmp_path))
