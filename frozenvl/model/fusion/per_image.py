"""Base of fusions by addition and multiplication: an image as one vector for each layer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from frozenvl.model.fusion.fusion import Gate, LayerFusion
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.conditioning import Conditioner, Conditioning
from frozenvl.util.errors import UserError


class PerImage(LayerFusion):
    """Base class of fusions that combine one vector of an image with each position that sees it.

    The vector is a projection of a learned average of the image's k vectors. Each layer has weights of its own.

    Args:
        layers: layers whose input is changed, from 0. The input of layer 0 is the input embeddings (with position
            embeddings, in architectures that add them).
        width: inner dimension of the projections; None for one full matrix each.
        gate_scale: factor of the gates (`LayerFusion`).
    """

    def __init__(
        self, layers: Sequence[int] = (0,), width: int | None = None, gate_scale: float = 30.0
    ) -> None:
        super().__init__(gate_scale)
        if isinstance(layers, int) or not layers or len(set(layers)) < len(layers) or min(layers) < 0:
            raise UserError(
                f"model.fusion: layers is {layers!r}; list distinct layers, from 0 on, such as [0, 8]"
            )
        if width is not None and width < 1:
            raise UserError(
                f"model.fusion: width is {width}; give 1 or more, or leave it out for full matrices"
            )
        self.layers, self.width = list(layers), width

    def attach(self, language: FrozenLanguageModel) -> None:
        super().attach(language)
        depth = len(language.layers)
        if max(self.layers) >= depth:
            raise UserError(
                f"model.fusion: layer {max(self.layers)}, but {language.name} has {depth}; name 0 to {depth - 1}"
            )
        made = lambda: ImageMap(language.dim, language.width, self.width, self.gate_scale)
        self.maps = nn.ModuleDict({str(number): made() for number in self.layers})
        language.condition(self.layers)

    def conditioner(self, prefix: Tensor) -> Conditioner:
        return VectorPerImage(self, prefix)

    @abstractmethod
    def combine(self, hidden: Tensor, vectors: Tensor) -> Tensor:
        """Returns hidden states (S, dim) combined with the gated vector (S, dim) of the image that each sees.

        Vectors of 0 must leave them as they are, bit for bit.
        """


class ImageMap(nn.Module):
    """Gated projection of an image's vectors (N, k, dim) to one vector (N, out). Each dimension has a gate."""

    def __init__(self, dim: int, out: int, width: int | None, gate_scale: float) -> None:
        super().__init__()
        self.score = nn.Linear(dim, 1, bias=False)
        self.norm = nn.LayerNorm(dim)
        inner = nn.Identity() if width is None else nn.Linear(dim, width, bias=False)
        self.project = nn.Sequential(inner, nn.Linear(width or dim, out))
        self.gate = Gate(gate_scale, out)

    def forward(self, images: Tensor) -> Tensor:
        images = self.norm(images)
        weights = self.score(images).softmax(1)
        return self.gate(self.project((weights * images).sum(1)))


class VectorPerImage(Conditioner):
    """Images of a pass, each as one vector for each layer."""

    def __init__(self, fusion: PerImage, images: Tensor) -> None:
        super().__init__(images, fusion)
        self.fusion = fusion
        self._vectors: dict[int, Tensor] = {}

    def before_layer(self, number: int, hidden: Tensor, conditioning: Conditioning) -> Tensor:
        if number not in self.fusion.layers:
            return hidden
        if number not in self._vectors:
            self._vectors[number] = self.fusion.maps[str(number)](self.images)
        vectors, view = self._vectors[number], conditioning.view_of.flatten()
        # A row of zeros for the positions that see no image.
        vectors = torch.cat([vectors, vectors.new_zeros(1, vectors.shape[1])])
        return self.fusion.combine(
            hidden, vectors.index_select(0, torch.where(view < 0, len(self.images), view))
        )
