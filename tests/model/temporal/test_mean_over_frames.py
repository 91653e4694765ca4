"""Mean over frames."""

from __future__ import annotations

import torch
from in_motion import FORTH, LONG, RED, build

from frozenvl.model.temporal import MeanOverFrames


def test_a_video_has_the_mean_of_its_frames_vectors(language, tiny_vision):
    model = build(language, tiny_vision, MeanOverFrames())
    with torch.no_grad():
        found = model.run(model.processor()([(FORTH, LONG, RED)])).prefix
        frames = model.run(model.processor()([LONG.frames])).prefix  # gold, red, green, blue
    expected = torch.stack([frames[1:].mean(0), frames.mean(0), frames[1]])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
