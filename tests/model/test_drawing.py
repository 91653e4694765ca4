"""Pictures of a model with an autoencoder."""

import numpy as np
import pytest
import torch
from autoencoders import autoencoder, autoencoding
from encoders import any_pixels

from frozenvl.model.vision import TimmEncoder
from frozenvl.util.errors import UserError


@pytest.mark.parametrize("low", [False, True])
def test_pictures_are_decoded_features(tiny_language, low):
    model = autoencoding(tiny_language, autoencoder())
    features = 3 * model.vision(any_pixels(model.vision))
    exact = model.vision.decode(features).clamp(0, 1).permute(0, 2, 3, 1).detach()
    if low:
        model.hold_frozen_in_bf16()
    drawn = model.pictures(features)
    assert drawn.dtype == np.uint8 and drawn.shape == (2, 32, 32, 3)
    assert np.abs(drawn - 255 * exact.numpy()).max() <= (8 if low else 0.51)


def test_a_model_without_a_decoder_draws_nothing(tiny_language, tiny_vision):
    model = autoencoding(tiny_language, TimmEncoder(str(tiny_vision)))
    with pytest.raises(UserError, match=r"has no decoder, so nothing can be drawn; use .*Autoencoder"):
        model.pictures(torch.zeros(1, 16, 2))
