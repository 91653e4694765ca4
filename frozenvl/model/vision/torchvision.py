"""Image encoders from torchvision: its convolutional classifiers."""

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
"""Pixel statistics of ImageNet, with which most of torchvision's classifiers were trained."""
HALF = (0.5, 0.5, 0.5)
"""Mean and standard deviation that scale pixels to -1 … 1."""
ENDS = ("avgpool", "classifier", "fc", "heads")
"""Names of the first module after the last feature map, in torchvision's classifiers."""


class TorchvisionEncoder(PixelEncoder):
    """Image encoder from torchvision: a convolutional classifier up to its last feature map.

    Args:
        name: torchvision's model name, such as `resnet50`.
        weights: file with a state dict (written by `torch.save`), name of torchvision's weights (downloaded from its
            server), or None for random weights.
        grid: number of cells per side that the last feature map is averaged into. 1 is global average pooling, as
            before the classifier.
        trainable: whether to train all weights, or the number of last blocks to train. A frozen encoder is in eval
            mode.
        size: side of the input in pixels.
        moving_statistics: whether training updates the running statistics of batch normalisation; by default only with
            random weights.

    Raises:
        UserError: if there is no such model or weights, or the model has no feature map.
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
        absent: set[str] = set()
        try:
            if file is not None and file.is_file():
                classifier = get_model(name, weights=None)
                content = torch.load(file, map_location="cpu", weights_only=True)
                # Not strict: a file without the classifier's last layer will do.
                result = classifier.load_state_dict(content, strict=False)
                if result.unexpected_keys:
                    more = ", ".join(result.unexpected_keys[:3])
                    raise UserError(
                        f"vision encoder {name!r}: {weights} has weights that it lacks ({more}, …); the file is of "
                        "another model, or holds them below a key"
                    )
                absent.update(result.missing_keys)
            else:
                with nullcontext() if weights or trainable else same_random_weights():
                    classifier = get_model(
                        name, weights=get_model_weights(name)[weights] if weights else None
                    )
        except UserError:
            raise
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
        made_up = {id(value) for key, value in classifier.state_dict(keep_vars=True).items() if key in absent}
        model = up_to_the_map(classifier)
        missing = [key for key, value in model.state_dict(keep_vars=True).items() if id(value) in made_up]
        # GoogLeNet and Inception were trained on pixels from -1 to 1. Their conversion from ImageNet's statistics is
        # in `forward`, which is not used here.
        mean_std = (HALF, HALF) if getattr(classifier, "transform_input", False) else (MEAN, STD)
        try:
            self.adopt(name, model, size, *mean_std, grid, trainable, moving, name, missing)
        except (AssertionError, RuntimeError) as error:  # a transformer, or too small an image
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
    """Returns the modules of a classifier up to the feature map that it averages."""
    parts: list[nn.Module] = []
    for name, part in whole.named_children():
        if name in ENDS:
            break
        if not name.lower().startswith("aux"):  # auxiliary classifiers, used in training only
            parts += part.children() if name in ("features", "blocks") else [part]
    if isinstance(whole, DenseNet):  # it applies ReLU without a module
        parts.append(nn.ReLU())
    return nn.Sequential(*parts)
