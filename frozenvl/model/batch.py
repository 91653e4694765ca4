"""What the model is given: prompts as tensors, images apart from the text that they stand in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor

IGNORE = -100
"""Label of a position that predicts nothing."""

Stage: TypeAlias = Literal["pixels", "features", "prefixes"]
"""How far images have come on their way to prefix vectors."""


@dataclass(frozen=True)
class Batch:
    """`B` prompts of up to `L` positions over `N` distinct images, padded on the right.

    Shapes:
        tokens: (B, L) token ids; 0 where a prefix vector stands or padding.
        slots: (B, L) which prefix vector stands there, counted through all images' `k` vectors; -1 for text.
        labels: (B, L) the token that this position has to predict, `IGNORE` where there is none. Already
            shifted: the last position of a prompt holds the first target token.
        lengths: (B,) positions that are not padding.
        images: (N, 3, H, W) uint8 pixels, (N, T, C) features or (N, k, dim) prefix vectors: `stage` says which.
    """

    ids: tuple[str, ...]
    tokens: Tensor
    slots: Tensor
    labels: Tensor
    lengths: Tensor
    images: Tensor
    stage: Stage = "pixels"
    openings: tuple[str, ...] = ()
    """Of remainders of prompts: the text that each begins with; empty before an image."""
    index: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))
    """(B,) of a chunk: which rows of its batch these are."""
    unreadable: tuple[tuple[str, str], ...] = ()
    """(sample, reason) of those that are not in it, since an image could not be read."""
    target_bytes: int = 0
    """UTF-8 bytes of the targets, as far as they were not cut."""

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device | str) -> Batch:
        names = ("tokens", "slots", "labels", "lengths", "images")
        return replace(self, **{name: getattr(self, name).to(device, non_blocking=True) for name in names})

    def real(self) -> Tensor:
        """(B, L) bool: positions that are not padding."""
        return torch.arange(self.tokens.shape[1], device=self.lengths.device)[None] < self.lengths[:, None]

    def chunks(self, positions: int, before: int = 0) -> Iterator[Batch]:
        """Pieces of prompts of like length, each of at most so many padded positions (but at least one prompt).

        All keep the whole batch's images.

        Args:
            before: positions in front of each prompt that count too.
        """
        order = self.lengths.argsort(descending=True, stable=True)
        start = 0
        while start < len(order):
            width = int(self.lengths[order[start]])
            index = order[start : start + max(1, positions // (before + width))]
            start += len(index)
            yield replace(
                self,
                ids=tuple(self.ids[i] for i in index.tolist()),
                tokens=self.tokens[index, :width],
                slots=self.slots[index, :width],
                labels=self.labels[index, :width],
                lengths=self.lengths[index],
                index=index,
            )
