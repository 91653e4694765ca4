"""Pictures of maps."""

import numpy as np
import PIL.Image
import torch

from frozenvl.analysis.drawing import AGAINST, FOR, STRONGEST, overlay, picture
from frozenvl.analysis.occlusion import Occlusion


def test_cells_are_coloured_by_sign_where_they_lie_in_the_photograph(model_of, function_of):
    function = function_of(model_of())  # 64 × 32 pixels, in the middle rows of the square
    values = torch.zeros(4, 4)
    values[1, 0], values[2, 3], values[0, 0] = 2.0, -1.0, 2.0  # the last is padding
    ground = PIL.Image.new("RGB", (128, 64), "white")
    drawn = np.asarray(overlay(ground, values, function, 2.0)).astype(float)
    mix = lambda colour, share: np.array(colour) * share * STRONGEST + 255 * (1 - share * STRONGEST)
    assert np.allclose(drawn[10, 10], mix(FOR, 1.0), atol=1)
    assert np.allclose(drawn[50, 120], mix(AGAINST, 0.5), atol=1)
    assert (drawn[:32, 40:] == 255).all() and (drawn[40:, :80] == 255).all()


def test_a_picture_has_a_tile_for_each_word_and_the_scale(model_of, function_of):
    function = function_of(model_of())
    maps = Occlusion().maps(function)
    sheet = picture(function, maps, "what color is the circle?")
    assert sheet.mode == "RGB" and sheet.width == 4 * 248
    again = picture(function, maps, "what color is the circle?")
    assert np.array_equal(np.asarray(sheet), np.asarray(again))
    scale = np.asarray(sheet)[-60:]
    assert len(np.unique(scale.reshape(-1, 3), axis=0)) > 100  # the colours from blue to red


def test_an_empty_map_is_drawn(model_of, function_of):
    function = function_of(model_of())
    maps = Occlusion().maps(function)
    maps.values.zero_()
    picture(function, maps, "")
