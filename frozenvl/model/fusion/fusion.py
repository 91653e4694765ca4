"""`Fusion`, the interface of fusions: how image vectors are combined with the text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from frozenvl.model.batch import Batch
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.part import Part, path_of


class Fusion(Part, ABC):
    """Base class of fusions, which combine image vectors with text. A subclass implements `places`, `embeddings`."""

    @abstractmethod
    def places(self, k: int) -> int:
        """Returns the number of positions of an image in a prompt: `k` if its vectors are among the text, or else 0."""

    def attach(self, language: FrozenLanguageModel) -> None:
        """Attaches the fusion to the language model, once: creates weights of its dimension, or inserts layers.

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

    def identity(self) -> dict[str, Any]:
        return {"fusion": path_of(type(self))}
