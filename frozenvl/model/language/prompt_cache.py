"""Prompt cache: the leading part that many prompts share, read once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from frozenvl.model.batch import Batch
from frozenvl.model.language.kv_cache import KVCache
from frozenvl.model.processor import Processor


@dataclass(frozen=True)
class PromptCache:
    """Leading part of prompts with its keys and values. Any number of batches can continue from it."""

    past: KVCache
    """KV cache of the leading part."""
    embeddings: Tensor
    """Input embeddings (S, dim) of its S positions."""
    text: str
    """Last text of the leading part; empty if it ends with an image."""
    processor: Processor
    prefix: Tensor
    """Prefix vectors (N, k, dim) of its images."""
    image_of: Tensor
    """(1, S) image that each of its positions sees; -1 before the first image."""

    def __len__(self) -> int:
        return len(self.embeddings)

    def check(self, batch: Batch) -> None:
        """Checks that the tokens of leading part and rest are the tokens of the whole prompts.

        Raises:
            ValueError: if the batch was not made with `start=False`.
            UserError: if the tokeniser joins the two parts across their border.
        """
        if len(batch.openings) != len(batch):
            raise ValueError("what comes after a shared part is made by processor(rests, start=False)")
        self.processor.check_split(self.text, batch.openings)

    def whole(self, embeddings: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Returns embeddings and lengths of the whole prompts, given those of the rests."""
        lead = self.embeddings.expand(len(embeddings), -1, -1)
        return torch.cat([lead, embeddings], dim=1), lengths + len(self)

    def whole_image_of(self, image_of: Tensor, real: Tensor) -> Tensor:
        """Returns the image (B, S + L) that each position of the whole prompts sees.

        The images of the leading part come first, and its last one is seen until the rest has one of its own.

        Args:
            image_of: (B, L) image that each position of the rests sees, among their own images.
            real: (B, L) mask of real positions.
        """
        rest = torch.where(image_of < 0, self.image_of[:, -1:], image_of + len(self.prefix))
        lead = self.image_of.expand(len(image_of), -1)
        return torch.cat([lead, rest.masked_fill(~real, -1)], dim=1)
