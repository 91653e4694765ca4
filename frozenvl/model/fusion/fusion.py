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


class Fusion(Part, ABC):
    """Base class of fusions, which combine image vectors with text. A subclass implements `places`, `embeddings`."""

    every: int = 1
    """Number of layers from one block of the fusion to the next, by which `frozenvl plan` extrapolates."""

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

        Args:
            text: (B, L, dim) token embeddings; meaningless at image positions (`batch.slots` ≥ 0).
            batch: batch with the image vector at each position (`slots`) and the image it sees (`image_of`).
            prefix: (N, k, dim) prefix vectors of the batch's images.

        Returns:
            (B, L, dim)
        """

    def conditioner(self, prefix: Tensor) -> Conditioner | None:
        """Returns the images of a pass, prepared for the layers; None if layers do not see them (the default).

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
    """

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

    @property
    def undecayed(self) -> tuple[str, ...]:  # type: ignore[override]
        """Names of the gates, which start at 0, and of the tag."""
        return tuple(
            name for name, _ in self.named_parameters() if name.rpartition(".")[2] in ("gate", "tag")
        )


def gated(gate: Tensor, update: Tensor) -> Tensor:
    """Returns tanh(gate) · update. A gate of 0 adds nothing (Flamingo, LLaMA-Adapter)."""
    return torch.tanh(gate) * update
