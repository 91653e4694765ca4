"""Grad-CAM on the encoder's last feature map (Selvaraju et al. 2017, arXiv:1610.02391), by captum."""

from __future__ import annotations

import torch

from frozenvl.analysis.captum import captum_module
from frozenvl.analysis.method import Maps, Method, Progress, silent
from frozenvl.analysis.target import TargetFunction
from frozenvl.model.vision.encoder import PixelEncoder
from frozenvl.util.errors import UserError


class GradCAM(Method):
    """Channels of the last feature map, weighted by the mean of their gradient, summed; below 0 set to 0.

    The map has the encoder's own grid, also if its cells are averaged afterwards (grid 1): then every cell has the same
    gradient, and the map shows where the channels that count are active.
    """

    name = "grad_cam"

    def maps(self, function: TargetFunction, progress: Progress = silent) -> Maps:
        captum = captum_module("attr")
        vision = function.model.vision
        if not isinstance(vision, PixelEncoder) or not isinstance(vision.grid, int):
            raise UserError(
                f"{vision.name} has no last feature map that its features are averaged from; explain by occlusion, or "
                "by integrated gradients at level cell"
            )
        layer = captum.LayerGradCam(function, vision.feature_map)
        pixels = function.at("pixel").clone().requires_grad_()
        rows, targets = [], len(function.names)
        for target in range(targets):
            rows.append(layer.attribute(pixels, target=target, relu_attributions=True)[0, 0].detach())
            progress(target + 1, targets)
        with torch.no_grad():
            value = function(function.at("pixel"))[0].cpu()
        return Maps(
            values=torch.stack(rows).float().cpu(),
            names=function.names,
            method=self.name,
            unit="activation × gradient",
            value=value,
        )
