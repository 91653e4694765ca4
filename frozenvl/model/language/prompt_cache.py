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
    inside: bool
    """Whether that text follows a special token."""
    processor: Processor
    prefix: Tensor
    """Prefix vectors (N, k, dim) of its images."""
    image_of: Tensor
    """(1, S) image that each of its positions sees; -1 before the first image."""
    image_keys: tuple[str, ...]
    """Identifier of each image."""

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
        self.processor.check_split(self.text, batch.openings, self.inside)

    def whole(self, embeddings: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Returns embeddings and lengths of the whole prompts, given those of the rests."""
        lead = self.embeddings.expand(len(embeddings), -1, -1)
        return torch.cat([lead, embeddings], dim=1), lengths + len(self)

    def whole_image_of(self, batch: Batch) -> Tensor:
        """Returns the image (B, S + L) that each position of whole prompts sees, given the rest of them.

        The images of the leading part come first, and its last one is seen until the rest has an image. An image of
        both parts is one image.
        """
        known = {key: index for index, key in enumerate(self.image_keys)}
        of_rest = [known.get(key, len(self.image_keys) + index) for index, key in enumerate(batch.image_keys)]
        # The last item stands for no image yet.
        numbers = torch.tensor([*of_rest, int(self.image_of[0, -1])], device=batch.image_of.device)
        rest = numbers[batch.image_of].masked_fill(~batch.real(), -1)
        return torch.cat([self.image_of.expand(len(batch), -1), rest], dim=1)
