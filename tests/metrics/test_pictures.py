"""PSNR and SSIM of pictures, and their means over photographs."""

import numpy as np
import pytest

from frozenvl.metrics.pictures import MAX_PSNR, fidelity, mean_scores
from frozenvl.util.errors import UserError


def pictures(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (2, 24, 24, 3)).astype(np.uint8)


def test_psnr_by_hand():
    """10 levels off at each pixel are 20 · log10(255 / 10) dB; 20 levels at a quarter of them are the same."""
    original = np.full((3, 16, 16, 3), 100, np.uint8)
    found = original.copy()
    found[0] += 10
    found[1, ::2, ::2] -= 20
    values = fidelity(found, original)
    expected = 20 * np.log10(25.5)
    assert values["PSNR"].tolist() == pytest.approx([expected, expected, MAX_PSNR], rel=1e-5)


def test_ssim_is_one_for_equal_pictures_and_low_for_unrelated_ones():
    same = fidelity(pictures(), pictures())
    assert same["SSIM"].tolist() == pytest.approx([1, 1], abs=1e-5)
    other = fidelity(pictures(1), pictures())
    assert (np.abs(other["SSIM"]) < 0.1).all()
    # SSIM of constants a and b is (2ab + c) / (a² + b² + c) with c = (0.01 · 255)².
    dark, light = np.full((1, 24, 24, 3), 50, np.uint8), np.full((1, 24, 24, 3), 100, np.uint8)
    c = 2.55**2
    assert fidelity(dark, light)["SSIM"][0] == pytest.approx((2 * 5000 + c) / (2500 + 10000 + c), abs=1e-4)


def test_means_and_intervals_over_photographs():
    made = mean_scores({"PSNR": np.array([10.0, 20.0, 30.0])}, ["a", "a", "b"])
    assert made.scores == {"PSNR": 20.0} and made.units == ["a", "b"]
    assert made.reweighted(np.array([[1.0, 1.0], [2.0, 0.0]]))["PSNR"].tolist() == [20.0, 15.0]
    low, high = made.intervals()["PSNR"]
    assert (low, high) == (15.0, 30.0)
    with pytest.raises(UserError, match="none of the pictures"):
        mean_scores({}, [])
