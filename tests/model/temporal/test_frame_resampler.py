"""Frame resampler: the mapper's queries over all frames."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from in_motion import BACK, FORTH, RED, build

from frozenvl.model.frozen import FrozenVL
from frozenvl.model.mappers import MLP
from frozenvl.model.temporal import FrameResampler
from frozenvl.model.vision import TimmEncoder
from frozenvl.util.errors import UserError
from frozenvl.video import Video


def test_an_untrained_one_does_not_see_the_order_of_frames(language, tiny_vision):
    model = build(language, tiny_vision, FrameResampler(4))
    with torch.no_grad():
        forth, back = model.run(model.processor()([(FORTH,), (BACK,)])).prefix
    torch.testing.assert_close(forth, back, rtol=1e-4, atol=1e-5)


def test_queries_attend_to_the_cells_of_all_frames(language, tiny_vision):
    model = build(language, tiny_vision, FrameResampler(4), trained=True)
    mapper = model.mapper
    with torch.no_grad():
        run = model.run(model.processor()([(FORTH,)]))
        cells = mapper.inputs(run.features) + model.temporal.embedding[:3, None]
        expected = mapper.attend(cells.reshape(1, 12, -1))
    torch.testing.assert_close(run.prefix, expected, rtol=1e-4, atol=1e-5)


def test_a_still_video_is_the_image_before_training(language, tiny_vision):
    model = build(language, tiny_vision, FrameResampler(4))
    with torch.no_grad():
        still, image = model.run(model.processor()([(Video([RED, RED, RED]),), (RED,)])).prefix
    torch.testing.assert_close(still, image, rtol=1e-4, atol=1e-5)


def test_another_mapper_is_refused(language, tiny_vision):
    vision = TimmEncoder(str(tiny_vision))
    shared = copy.deepcopy(language("llama"))
    with pytest.raises(UserError, match=r"needs the mapper Resampler, .* not MLP; .*FrameEmbedding"):
        FrozenVL(shared, vision, partial(MLP, hidden=16), 2, temporal=FrameResampler())
