"""Frame transformer: frames compare themselves with each other."""

from __future__ import annotations

import pytest
import torch
from in_motion import FORTH, LONG, build

from frozenvl.model.temporal import FrameTransformer
from frozenvl.util.errors import UserError


def test_the_vectors_of_a_video_are_those_of_the_queries(language, tiny_vision):
    model = build(language, tiny_vision, FrameTransformer(4, layers=1, heads=4), trained=True)
    part = model.temporal
    with torch.no_grad():
        run = model.run(model.processor()([(FORTH,)]))
        vectors = model.map(run.features)
        means = vectors.mean(0, keepdim=True)
        frames = part.norm(torch.cat([vectors - means, means])) + part.embedding[[0, 1, 2, 4], None]
        inputs = torch.cat([frames.reshape(1, 8, -1), part.queries[None]], dim=1)
        expected = part.encoder(inputs)[:, -2:]
    torch.testing.assert_close(run.prefix, expected, rtol=1e-4, atol=1e-5)


def test_frames_that_a_shorter_video_lacks_are_not_seen(language, tiny_vision):
    model = build(language, tiny_vision, FrameTransformer(4, layers=1, heads=4))
    both = model.processor()([(FORTH,), (LONG,)])
    with torch.no_grad():
        before = model.run(both).prefix
        model.temporal.embedding[3] *= -3
        after = model.run(model.processor()([(FORTH,), (LONG,)])).prefix
    assert after[0].equal(before[0]) and not after[1].isclose(before[1]).all()


def test_a_number_of_heads_that_does_not_divide_the_dimension_is_refused(language, tiny_vision):
    with pytest.raises(UserError, match="7 heads do not divide"):
        build(language, tiny_vision, FrameTransformer(heads=7))
