"""Baselines."""

import pytest
import torch

from frozenvl.analysis.baselines import baseline_inputs, baseline_pixels, blur
from frozenvl.util.errors import UserError


def test_only_the_photograph_is_replaced_by_its_mean_or_by_black(model_of, function_of):
    function = function_of(model_of())
    left, top, right, bottom = function.box
    pixels = function.at("pixel")[0]
    mean, black = (baseline_pixels(function, name)[0] for name in ("mean", "black"))
    inside = mean[:, top:bottom, left:right]
    assert torch.allclose(
        inside, pixels[:, top:bottom, left:right].mean((1, 2))[:, None, None].expand_as(inside)
    )
    assert black.eq(0).all()
    assert mean[:, :top].equal(pixels[:, :top]) and mean[:, bottom:].equal(pixels[:, bottom:])


def test_blur_keeps_the_mean_and_loses_the_detail(model_of, function_of):
    function = function_of(model_of())
    left, top, right, bottom = function.box
    cut = lambda pixels: pixels[0, :, top:bottom, left:right]
    sharp, soft = cut(function.at("pixel")), cut(baseline_pixels(function, "blur"))
    assert soft.mean() == pytest.approx(float(sharp.mean()), rel=0.02) and soft.std() < sharp.std() / 4
    flat = torch.full((3, 4, 9), 7.0)
    assert torch.allclose(blur(flat, 10), flat)  # smaller than the kernel


def test_a_baseline_at_a_later_level_is_what_the_model_makes_of_it(model_of, function_of):
    function = function_of(model_of())
    features = function.model.encode(baseline_pixels(function, "black"))
    assert torch.allclose(baseline_inputs(function, "black", "cell"), features)
    assert torch.allclose(baseline_inputs(function, "black", "prefix"), function.model.map(features))


def test_an_unknown_baseline_is_refused(model_of, function_of):
    with pytest.raises(UserError, match="baseline is 'grey'; it is one of mean, blur, black"):
        baseline_pixels(function_of(model_of()), "grey")
