"""The interface of fusions: how image vectors meet the text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from frozenvl.model.batch import Batch
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.part import Part, path_of


class Fusion(Part, ABC):
    """How an image's `k` vectors meet the text. A new fusion writes `places` and `embeddings`."""

    @abstractmethod
    def places(self, k: int) -> int:
        """Positions that an image takes in a prompt: `k` where its vectors stand in the text, 0 where they do not."""

    def attach(self, language: FrozenLanguageModel) -> None:
        """Takes its place in the language model, once: makes weights of its width, or puts layers between its own.

        Raises:
            UserError: the architecture has no place for it.
        """

    @abstractmethod
    def embeddings(self, text: Tensor, batch: Batch, prefix: Tensor) -> Tensor:
        """Input embeddings of a batch's prompts, with its images.

        Args:
            text: (B, L, dim) embeddings of the tokens; meaningless where `batch.slots` names an image's position.
            batch: says which position holds an image's vector (`slots`), and which image a position sees (`image_of`).
            prefix: (N, k, dim) vectors of the batch's images.

        Returns:
            (B, L, dim)
        """

    def identity(self) -> dict[str, Any]:
        return {"fusion": path_of(type(self))}
