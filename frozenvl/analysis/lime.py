"""LIME: a linear model of random sets of cells, fitted near the image (Ribeiro et al. 2016, arXiv:1602.04938)."""

from __future__ import annotations

from typing import Any

from frozenvl.analysis.captum import captum_module
from frozenvl.analysis.masking import Masking
from frozenvl.analysis.sampled import Sampled

KERNEL_WIDTH = 0.25
"""Width of the exponential kernel over the cosine distance to the image, as in the authors' code for images."""


class Lime(Sampled):
    """Weights of a ridge regression of the value on which cells are shown, by captum.

    Each cell is shown with probability 1/2. Sets near the whole image weigh more. See `Sampled` for the arguments.
    """

    name = "lime"
    default_samples = 256

    def estimator(self, values: Masking) -> Any:
        captum, models = captum_module("attr._core.lime"), captum_module("_utils.models.linear_model")
        nearness = captum.get_exp_kernel_similarity_function("cosine", KERNEL_WIDTH)
        return captum.Lime(values, models.SkLearnRidge(alpha=1.0), nearness)
