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
