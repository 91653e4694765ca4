"""Encoders of Hugging Face: vision transformers, and the image towers of CLIP and SigLIP."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoImageProcessor, AutoModel

from frozenvl.model.fingerprint import same_random_weights
from frozenvl.model.vision.encoder import Grid, PixelEncoder, as_map
from frozenvl.pretrained.names import loading
from frozenvl.util.errors import UserError


class HFEncoder(PixelEncoder):
    """A vision transformer of Hugging Face: ViT, DINOv2, BEiT …, or the image tower of CLIP or SigLIP.

    Args:
        name: Hugging Face name or local folder.
        grid: cells a side that the patches are averaged into (1 is global average pooling), `all` vectors, class
            token included, or the one that the model pools for its `head`.
        layer: whose hidden states these are, -1 being what the model itself gives as its last (of most, after a last
            norm; CLIP's norm is for its `head` alone); -2 is what LLaVA takes of CLIP. Not for `head`.
        trainable: whether its weights are trained, or how many of its last layers are; else it runs in eval mode.
        pretrained: False starts from random weights; the same each time, where they are not trained.

    Raises:
        UserError: where there is no such model, it is no vision transformer, or it pools nothing.
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
                # Some are kept in 16 bits; what is trained is fp32, and the module's precision says the rest.
                model = AutoModel.from_pretrained(where, dtype=torch.float32)
            else:
                with nullcontext() if trainable else same_random_weights():
                    model = AutoModel.from_config(AutoConfig.from_pretrained(where))
            images = AutoImageProcessor.from_pretrained(where)
        model = getattr(model, "vision_model", model)
        size = getattr(model.config, "image_size", None)
        if not isinstance(size, int) or not hasattr(model.config, "patch_size"):
            raise UserError(
                f"vision encoder {name!r} is a {type(model).__name__}, no vision transformer; try TimmEncoder"
            )
        self.layer, self.patches = layer, (size // model.config.patch_size) ** 2
        facts = f"{type(model).__name__} layer={layer}"
        self.adopt(name, model, size, images.image_mean, images.image_std, grid, trainable, False, facts)

    def last(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        # Not to be told apart in memory: an attention over patches has nothing of the image's channels.
        found = self.model(pixel_values=pixels.contiguous(), output_hidden_states=self.layer != -1)
        if self.grid == "head":
            vector = getattr(found, "pooler_output", None)
            if vector is None:
                raise UserError(f"vision encoder {self.name!r} pools nothing; use grid 1 or all")
            return vector[:, None], vector
        if self.layer == -1:
            vectors = found.last_hidden_state
        elif -len(found.hidden_states) <= self.layer < len(found.hidden_states):
            vectors = found.hidden_states[self.layer]
        else:
            raise UserError(
                f"vision encoder {self.name!r} has {len(found.hidden_states)} hidden states; layer is {self.layer}"
            )
        before = vectors.shape[1] - self.patches
        return vectors[:, :before], as_map(vectors[:, before:], self.name)

    def blocks(self) -> Sequence[Sequence[nn.Parameter]]:
        lists = [module for module in self.model.modules() if isinstance(module, nn.ModuleList)]
        layers = [list(layer.parameters()) for layer in max(lists, key=len)]
        known = {parameter for layer in layers for parameter in layer}
        # What comes after the layers (a last norm, a pooler) goes with the last of them.
        parameters = list(self.model.parameters())
        end = max(at for at, parameter in enumerate(parameters) if parameter in known)
        start = min(at for at, parameter in enumerate(parameters) if parameter in known)
        return [parameters[:start], *layers[:-1], [*layers[-1], *parameters[end + 1 :]]]
