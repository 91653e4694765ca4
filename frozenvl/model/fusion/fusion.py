"""`Fusion`, the interface of fusions: how image vectors are combined with the text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from frozenvl.model.batch import Batch
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.conditioning import Conditioner
from frozenvl.model.part import Part, path_of
from frozenvl.util.errors import UserError


class Fusion(Part, ABC):
    """Base class of fusions, which combine image vectors with text. A subclass implements `places`, `embeddings`."""

    every: int = 1
    """Number of layers from one block of the fusion to the next, by which `frozenvl plan` extrapolates."""

    sees_last: bool = False
    """True if a position sees only the last image before it, so that no text sees all frames of a video."""

    @abstractmethod
    def places(self, k: int) -> int:
        """Returns the number of positions of an image in a prompt: `k` if its vectors are among the text."""

    def attach(self, language: FrozenLanguageModel) -> None:
        """Attaches the fusion to the language model, once: creates weights of its dimension, or names layers.

        Raises:
            UserError: if the architecture does not support it.
        """

    @abstractmethod
    def embeddings(self, text: Tensor, batch: Batch, prefix: Tensor) -> Tensor:
        """Returns the input embeddings of a batch's prompts, images included.

        Generated tokens do not come here. What an image adds to them belongs in a `conditioner`.

        Args:
            text: (B, L, dim) token embeddings; meaningless at image positions (`batch.slots` ≥ 0).
            batch: batch with the image vector at each position (`slots`) and the image it sees (`image_of`).
            prefix: (N, k, dim) prefix vectors of the batch's images.

        Returns:
            (B, L, dim)
        """

    def conditioner(self, prefix: Tensor) -> Conditioner | None:
        """Returns the images of a pass, prepared for the layers; None if layers do not see them (the default).

        `attach` then names the layers whose input it changes (`FrozenLanguageModel.condition`).

        Args:
            prefix: (N, k, dim) prefix vectors of the images.
        """
        return None

    def identity(self) -> dict[str, Any]:
        return {"fusion": path_of(type(self))}


class LayerFusion(Fusion):
    """Base class of fusions inside the layers. A subclass implements `conditioner`; `attach` calls this one's.

    An image takes one position, whatever its number of vectors: a trained tag, which holds nothing of the image and
    says that it stands there (Flamingo's `<image>`). The first word after an image is predicted from it.

    A position sees the last image before it. Without an image, the language model is the frozen one to the last bit.

    Args:
        gate_scale: factor of the gates, which start at 0. Adam changes a weight by at most about its learning rate a
            step. With a factor of 1, as in Flamingo, gates open over thousands of steps.

    Raises:
        UserError: if the factor is not positive.
    """

    sees_last = True

    def __init__(self, gate_scale: float = 30.0) -> None:
        super().__init__()
        if gate_scale <= 0:
            raise UserError(f"model.fusion: gate_scale is {gate_scale}; give a positive number, such as 30")
        self.gate_scale = gate_scale

    def places(self, k: int) -> int:
        return 1

    def attach(self, language: FrozenLanguageModel) -> None:
        self.tag = nn.Parameter(language.some_embeddings().float().mean(0))

    def embeddings(self, text: Tensor, batch: Batch, prefix: Tensor) -> Tensor:
        is_image = batch.slots >= 0
        tags = self.tag.to(text.dtype).expand(int(is_image.sum()), -1)
        return text.index_put(is_image.nonzero(as_tuple=True), tags)

    @abstractmethod
    def conditioner(self, prefix: Tensor) -> Conditioner: ...

    def identity(self) -> dict[str, Any]:
        # The shapes of the weights do not show it.
        return super().identity() | {"fusion_gate_scale": self.gate_scale}

    @property
    def undecayed(self) -> tuple[str, ...]:  # type: ignore[override]
        """Names of the gates, which start at 0, and of the tag."""
        return tuple(
            name for name, _ in self.named_parameters() if name.rpartition(".")[2] in ("gate", "tag")
        )


class Gate(nn.Module):
    """Gate of an update: tanh(scale · gate) · update, with a gate of 0 at the start (Flamingo, LLaMA-Adapter).

    Args:
        scale: factor of the gate.
        shape: shape of the gate: () for one number, or what is broadcast to the update.
    """

    def __init__(self, scale: float, *shape: int) -> None:
        super().__init__()
        self.scale = scale
        self.gate = nn.Parameter(torch.zeros(shape))

    def forward(self, update: Tensor) -> Tensor:
        return torch.tanh(self.scale * self.gate) * update
