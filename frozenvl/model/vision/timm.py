"""Encoders of timm."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import timm
from timm.models import group_parameters
from torch import Tensor, nn

from frozenvl.model.fingerprint import same_random_weights
from frozenvl.model.vision.encoder import Grid, PixelEncoder, as_map
from frozenvl.pretrained.names import loading, resolve
from frozenvl.util.errors import UserError


class TimmEncoder(PixelEncoder):
    """Any timm model.

    Args:
        name: timm's name, a local folder in timm's layout, or a model brought by `frozenvl fetch`.
        grid: cells a side that the last feature map is averaged into (1 is global average pooling), `all` vectors
            of the last layer, or the one that the model's `head` is given.
        trainable: whether its weights are trained, or how many of its last blocks are; else it runs in eval mode.
        pretrained: False starts from random weights, as in Frozen; the same each time, where they are not trained.
        size: side of its input in pixels; by default the one that it was trained at.
        moving_statistics: whether batch normalisation goes on averaging in training; by default without pretrained
            weights only.
    """

    def __init__(
        self,
        name: str,
        grid: Grid = 1,
        trainable: bool | int = False,
        pretrained: bool = True,
        size: int | None = None,
        moving_statistics: bool | None = None,
    ) -> None:
        super().__init__()
        where = resolve(name)
        with loading(name), nullcontext() if pretrained or trainable else same_random_weights():
            try:
                model: Any = timm.create_model(
                    f"local-dir:{where}" if isinstance(where, Path) else where,
                    pretrained=pretrained,
                    num_classes=0,
                )
            except RuntimeError as error:
                if "Unknown model" not in str(error):
                    raise
                raise UserError(
                    f"vision encoder {name!r}: timm knows no such model and there is no such folder; "
                    "`frozenvl fetch --list` names those that need no hub"
                ) from None
        config = model.pretrained_cfg
        native = config["input_size"][-1]
        size = size or native
        try:
            if size != native and hasattr(model, "set_input_size"):  # of learned positions
                model.set_input_size(img_size=size)
            self.adopt(
                name,
                model,
                size,
                config["mean"],
                config["std"],
                grid,
                trainable,
                not pretrained if moving_statistics is None else moving_statistics,
                # Beside the weights: tf_efficientnet_lite0 and efficientnet_lite0 share them and pad differently.
                config["architecture"],
            )
        except (AssertionError, RuntimeError) as error:
            reason = next(iter(str(error).splitlines()), "")
            raise UserError(
                f"vision encoder {name!r} takes no images of {size} pixels ({reason[:200]}); it was made for {native}"
            ) from error

    def last(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        found = self.model.forward_features(pixels)
        if self.grid == "head":
            vector = self.model.forward_head(found, pre_logits=True)
            return vector[:, None], vector
        if not isinstance(found, Tensor):  # of several branches
            raise UserError(f"vision encoder {self.name!r} has no one feature map; use grid head")
        if found.ndim == 3:
            before = getattr(self.model, "num_prefix_tokens", 0)
            return found[:, :before], as_map(found[:, before:], self.name)
        if found.ndim != 4:
            raise UserError(f"vision encoder {self.name!r} has no feature map; use grid head")
        maps = found.permute(0, 3, 1, 2) if getattr(self.model, "output_fmt", "NCHW") == "NHWC" else found
        return maps.new_zeros(len(maps), 0, maps.shape[1]), maps

    def blocks(self) -> Sequence[Sequence[nn.Parameter]]:
        if not hasattr(self.model, "group_matcher"):
            raise UserError(
                f"vision encoder {self.name!r}: timm does not tell its blocks apart; trainable is true or false"
            )
        parameters = dict(self.model.named_parameters())
        groups = group_parameters(self.model, self.model.group_matcher(coarse=True))
        blocks = [groups[key] for key in sorted(groups)]
        if all(name.startswith("head.") for name in blocks[-1]):  # a norm before the classifier is no block
            blocks[-2:] = [blocks[-2] + blocks[-1]]
        return [[parameters[name] for name in block] for block in blocks]
