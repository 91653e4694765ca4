"""Image encoders from Hugging Face: vision transformers and their kin, and the image towers of CLIP and SigLIP."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoImageProcessor, AutoModel

from frozenvl.model.fingerprint import same_random_weights
from frozenvl.model.vision.encoder import Grid, PixelEncoder, split
from frozenvl.pretrained.names import loading
from frozenvl.util.errors import UserError


class HFEncoder(PixelEncoder):
    """Image encoder from Hugging Face: a ViT, DINOv2, Swin, ConvNeXt, …, or the image tower of CLIP or SigLIP.

    Args:
        name: Hugging Face name or local folder.
        grid: number of cells per side that the patches are averaged into (1 is global average pooling), `all` for all
            vectors, class token included, or `head` for the pooled vector.
        layer: index of the hidden states to use, unless grid is `head`. -1 is the model's `last_hidden_state` (after
            the final norm in most models; CLIP norms only the pooled vector). LLaVA uses -2 of CLIP.
        trainable: whether to train all weights, or the number of last layers to train. A frozen encoder is in eval
            mode.
        pretrained: whether to load pretrained weights. False uses random weights; the same each time if they are not
            trained.

    Raises:
        UserError: if there is no such model, it is not a vision transformer, or it has no pooled vector for `head`.
    """

    def __init__(
        self,
        name: str,
        grid: Grid = 1,
        layer: int = -1,
        trainable: bool | int = False,
        pretrained: bool = True,
    ) -> None:
        super().__init__()
        with loading(name) as where:
            if pretrained:
                # Some checkpoints are in 16 bits. Training needs fp32; `precision` may cast frozen weights later.
                model, loading_info = AutoModel.from_pretrained(
                    where, dtype=torch.float32, output_loading_info=True, trust_remote_code=False
                )
                missing = loading_info["missing_keys"]
            else:
                config, missing = AutoConfig.from_pretrained(where, trust_remote_code=False), ()
                with nullcontext() if trainable else same_random_weights():
                    model = AutoModel.from_config(config, dtype=torch.float32)
            images = AutoImageProcessor.from_pretrained(where, trust_remote_code=False)
        if hasattr(model, "vision_model"):
            model, prefix = model.vision_model, "vision_model."
            missing = [name.removeprefix(prefix) for name in missing if name.startswith(prefix)]
        size = getattr(model.config, "image_size", None)
        if not isinstance(size, int) or not hasattr(model.config, "patch_size"):
            raise UserError(
                f"vision encoder {name!r} is a {type(model).__name__}, no vision transformer; try TimmEncoder"
            )
        self.layer, self.patches = layer, (size // model.config.patch_size) ** 2
        facts = f"{type(model).__name__} layer={layer}"
        self.adopt(name, model, size, *statistics(images, name), grid, trainable, False, facts, missing)

    def last(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        # Contiguous, because channels last does not help attention over patches.
        outputs = self.model(pixel_values=pixels.contiguous(), output_hidden_states=self.layer != -1)
        if self.grid == "head":
            vector = getattr(outputs, "pooler_output", None)
            if vector is None:
                raise UserError(f"vision encoder {self.name!r} has no pooled vector; use grid 1 or all")
            return vector[:, None], vector
        if self.layer == -1:
            vectors = outputs.last_hidden_state
        elif -len(outputs.hidden_states) <= self.layer < len(outputs.hidden_states):
            vectors = outputs.hidden_states[self.layer]
        else:
            raise UserError(
                f"vision encoder {self.name!r} has {len(outputs.hidden_states)} hidden states; layer is {self.layer}"
            )
        if vectors.ndim == 4:  # a map: ConvNeXt, MobileViT
            return vectors.new_zeros(len(vectors), 0, vectors.shape[1]), vectors
        return split(vectors, max(0, vectors.shape[1] - self.patches), self.grid, self.name)

    def blocks(self) -> Sequence[Sequence[nn.Parameter]]:
        lists = [module for module in self.model.modules() if isinstance(module, nn.ModuleList)]
        layers = [list(layer.parameters()) for layer in max(lists, key=len)]
        layer_parameters = {parameter for layer in layers for parameter in layer}
        # Parameters after the layers (final norm, pooler) belong to the last block.
        parameters = list(self.model.parameters())
        end = max(at for at, parameter in enumerate(parameters) if parameter in layer_parameters)
        start = min(at for at, parameter in enumerate(parameters) if parameter in layer_parameters)
        return [parameters[:start], *layers[:-1], [*layers[-1], *parameters[end + 1 :]]]


def statistics(images: Any, name: str) -> tuple[Sequence[float], Sequence[float]]:
    """Returns mean and standard deviation, for pixels from 0 to 1, that do what an image processor does to pixels.

    Args:
        images: image processor of transformers.
        name: name of the encoder, for messages.

    Raises:
        UserError: if the processor swaps the colour channels.
    """
    if getattr(images, "do_flip_channel_order", False):
        raise UserError(f"vision encoder {name!r} takes BGR images, which are not supported; try TimmEncoder")
    normalizes = getattr(images, "do_normalize", True) and images.image_mean is not None
    mean, std = (images.image_mean, images.image_std) if normalizes else ([0.0] * 3, [1.0] * 3)
    scale = 255 * (images.rescale_factor if getattr(images, "do_rescale", True) else 1)
    offset = 1 if getattr(images, "rescale_offset", False) else 0
    if scale == 1 and not offset:
        return mean, std
    return [(value + offset) / scale for value in mean], [value / scale for value in std]
