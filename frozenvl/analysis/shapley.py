"""Shapley values of cells: each cell's mean contribution over all orders in which cells could be shown, by captum."""

from __future__ import annotations

from typing import Any

from frozenvl.analysis.captum import captum_module
from frozenvl.analysis.masking import Masking
from frozenvl.analysis.sampled import Sampled


class KernelShap(Sampled):
    """Shapley values by a weighted linear regression over random sets of cells (Lundberg & Lee 2017, arXiv:1705.07874).

    They sum to f(image) - f(baseline). See `Sampled` for the arguments.
    """

    name = "kernel_shap"
    default_samples = 256

    def estimator(self, values: Masking) -> Any:
        return captum_module("attr").KernelShap(values)


class ShapleySampling(Sampled):
    """Shapley values by random orders of the cells (Castro et al. 2009). They sum to f(image) - f(baseline).

    A sample is one order, which takes as many versions of the image as there are cells. See `Sampled` for the
    arguments.
    """

    name = "shapley_sampling"
    default_samples = 5

    def estimator(self, values: Masking) -> Any:
        return captum_module("attr").ShapleyValueSampling(values)
