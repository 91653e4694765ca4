"""Scenes as images of prompts: their digests."""

from __future__ import annotations

import numpy as np

from frozenvl.data.sources.scenes import SceneCaptions, SceneQuestions


def test_equal_digests_mean_equal_pixels():
    captions, questions = (
        SceneCaptions(seed=3, resolution=96),
        SceneQuestions(seed=3, resolution=96, per_image=2),
    )
    one, same, other = captions[5], questions[11], captions[6]
    assert one.image.digest == same.image.digest and one.image_id == same.image_id
    assert np.array_equal(one.image.read(), same.image.read())
    assert other.image.digest != one.image.digest
    assert SceneCaptions(seed=3, resolution=64)[5].image.digest != one.image.digest
    assert SceneCaptions(seed=4, resolution=96)[5].image.digest != one.image.digest
