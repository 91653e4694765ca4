"""Image encoders from timm."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import timm
from timm.models import group_parameters
from torch import Tensor, nn

from frozenvl.model.fingerprint import same_random_weights
from frozenvl.model.missing_weights import recorded_missing
from frozenvl.model.vision.encoder import Grid, PixelEncoder, split
from frozenvl.pretrained.names import loading, resolve
from frozenvl.util.errors import UserError


class TimmEncoder(PixelEncoder):
    """Image encoder from timm: any of its models.

    Args:
        name: timm's model name, local folder in timm's layout, or name of a model from `frozenvl fetch`.
        grid: number of cells per side that the last feature map is averaged into (1 is global average pooling), `all`
            for all vectors of the last layer, or `head` for the one that the model's classifier takes.
        trainable: whether to train all weights, or the number of last blocks to train. A frozen encoder is in eval
            mode.
        pretrained: whether to load pretrained weights. False uses random weights, as in Frozen; the same each time if
            they are not trained.
        size: side of the input in pixels; by default the size of the pretraining.
        moving_statistics: whether training updates the running statistics of batch normalisation; by default only if
            the encoder is not pretrained.

    Raises:
        UserError: if there is no such model, or it does not take images of this size.
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
        random = nullcontext() if pretrained or trainable else same_random_weights()
        with loading(name), random, recorded_missing() as missing:
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
            if size != native and hasattr(model, "set_input_size"):  # models with position embeddings
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
                # For the fingerprint: tf_efficientnet_lite0 and efficientnet_lite0 share weights but pad differently.
                config["architecture"],
                missing,
            )
        except (AssertionError, RuntimeError) as error:
            reason = next(iter(str(error).splitlines()), "")
            raise UserError(
                f"vision encoder {name!r} takes no images of {size} pixels ({reason[:200]}); it was made for {native}"
            ) from error

    def last(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        features = self.model.forward_features(pixels)
        if self.grid == "head":
            vector = self.model.forward_head(features, pre_logits=True)
            return vector[:, None], vector
        if not isinstance(features, Tensor):  # models with several branches
            raise UserError(f"vision encoder {self.name!r} has no one feature map; use grid head")
        if features.ndim == 3:
            return split(features, getattr(self.model, "num_prefix_tokens", 0), self.grid, self.name)
        if features.ndim != 4:
            raise UserError(f"vision encoder {self.name!r} has no feature map; use grid head")
        channels_last = getattr(self.model, "output_fmt", "NCHW") == "NHWC"
        maps = features.permute(0, 3, 1, 2) if channels_last else features
        return maps.new_zeros(len(maps), 0, maps.shape[1]), maps

    def blocks(self) -> Sequence[Sequence[nn.Parameter]]:
        if not hasattr(self.model, "group_matcher"):
            raise UserError(
                f"vision encoder {self.name!r}: timm does not tell its blocks apart; trainable is true or false"
            )
        parameters = dict(self.model.named_parameters())
        groups = group_parameters(self.model, self.model.group_matcher(coarse=True))
        blocks = [groups[key] for key in sorted(groups)]
        # A norm before the classifier is not a block: it joins the last one.
        if all(name.startswith("head.") for name in blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
        return [[parameters[name] for name in block] for block in blocks]
