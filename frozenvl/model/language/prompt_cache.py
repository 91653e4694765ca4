"""The leading part of many prompts, read once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from frozenvl.model.batch import Batch
from frozenvl.model.language.kv_cache import KVCache
from frozenvl.model.processor import Processor


@dataclass(frozen=True)
class PromptCache:
    """A leading part with its keys and values. Any number of batches may go on from it.

    Shapes:
        embeddings: (S, dim)
    """

    past: KVCache
    embeddings: Tensor
    text: str
    """With which it ends; empty after an image."""
    processor: Processor

    def __len__(self) -> int:
        return len(self.embeddings)

    def check(self, batch: Batch) -> None:
        """Whether the tokens of both parts are the tokens of the whole.

        Raises:
            UserError: where the tokeniser joins the two across their border.
        """
        if len(batch.openings) != len(batch):
            raise ValueError("what comes after a shared part is made by processor(rests, start=False)")
        self.processor.check_split(self.text, batch.openings)

    def whole(self, embeddings: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings and lengths of the whole prompts, of those of their remainders."""
        lead = self.embeddings.expand(len(embeddings), -1, -1)
        return torch.cat([lead, embeddings], dim=1), lengths + len(self)
