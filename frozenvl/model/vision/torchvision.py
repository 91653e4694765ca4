"""Encoders of torchvision: its convolutional classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import DenseNet, get_model, get_model_weights

from frozenvl.model.fingerprint import same_random_weights
from frozenvl.model.vision.encoder import PixelEncoder
from frozenvl.pretrained.names import cannot_load
from frozenvl.util.errors import UserError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, as most of torchvision's classifiers were trained."""
HALF = (0.5, 0.5, 0.5)
ENDS = ("avgpool", "classifier", "fc", "heads")
"""Where torchvision's classifiers end to have a map, one name or another."""


class TorchvisionEncoder(PixelEncoder):
    """A convolutional classifier of torchvision, up to its last feature map.

    Args:
        name: torchvision's name, such as `resnet50`.
        weights: a file that `torch.save` wrote of its state, the name of torchvision's own weights (they come from
            its server), or none for random ones.
        grid: cells a side that the last feature map is averaged into: 1 is global average pooling, as before the
            classifier.
        trainable: whether its weights are trained, or how many of its last blocks are; else it runs in eval mode.
        size: side of its input in pixels.
        moving_statistics: whether batch normalisation goes on averaging in training; by default with random weights
            only.

    Raises:
        UserError: where there is no such model, no such weights, or it has no feature map.
    """

    def __init__(
        self,
        name: str,
        weights: str | None = "DEFAULT",
        grid: int = 1,
        trainable: bool | int = False,
        size: int = 224,
        moving_statistics: bool | None = None,
    ) -> None:
        super().__init__()
        file = Path(weights).expanduser() if weights else None
        try:
            if file is not None and file.is_file():
                whole = get_model(name, weights=None)
                whole.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
            else:
                with nullcontext() if weights or trainable else same_random_weights():
                    whole = get_model(name, weights=get_model_weights(name)[weights] if weights else None)
        except ValueError as error:
            raise UserError(
                f"vision encoder {name!r}: {error}; torchvision.models.list_models() names all"
            ) from None
        except KeyError:
            raise UserError(
                f"vision encoder {name!r}: no weights {weights!r}, neither a file nor one of "
                f"{', '.join(weight.name for weight in get_model_weights(name))}, DEFAULT"
            ) from None
        except Exception as error:
            raise cannot_load(f"{name} {weights}", error) from error
        moving = not weights if moving_statistics is None else moving_statistics
        # Two of Google's were trained on pixels between -1 and 1, and would turn ImageNet's back into those.
        own = (HALF, HALF) if getattr(whole, "transform_input", False) else (MEAN, STD)
        try:
            self.adopt(name, up_to_the_map(whole), size, *own, grid, trainable, moving, name)
        except (AssertionError, RuntimeError) as error:  # of a transformer, or too small an image
            raise UserError(
                f"vision encoder {name!r} has no feature map of {size} pixels; timm or Hugging Face may have it"
            ) from error

    def last(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.model(pixels)
        return maps.new_zeros(len(maps), 0, maps.shape[1]), maps

    def blocks(self) -> Sequence[Sequence[nn.Parameter]]:
        parts = (list(part.parameters()) for part in self.model.children())
        return [part for part in parts if part]


def up_to_the_map(whole: nn.Module) -> nn.Sequential:
    """A classifier's parts up to what it averages over."""
    parts: list[nn.Module] = []
    for name, part in whole.named_children():
        if name in ENDS:
            break
        if not name.lower().startswith("aux"):  # classifiers of their own, for training alone
            parts += part.children() if name in ("features", "blocks") else [part]
    if isinstance(whole, DenseNet):  # which rectifies without a part for it
        parts.append(nn.ReLU())
    return nn.Sequential(*parts)
