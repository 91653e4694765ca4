"""`Batch`: prompts as tensors, with their images apart from the text that they stand in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor

IGNORE = -100
"""Label of a position that predicts nothing."""

Stage: TypeAlias = Literal["pixels", "features", "prefixes"]
"""What a batch holds of its images: pixels, an encoder's features, or prefix vectors."""


def _none() -> Tensor:
    return torch.empty(0, dtype=torch.long)


@dataclass(frozen=True)
class Batch:
    """`B` prompts of up to `L` positions over `N` distinct images, padded on the right.

    Shapes:
        tokens: (B, L) token ids; 0 at positions of an image and at padding.
        slots: (B, L) the prefix vector at each position, counted through all images' `k` vectors; -1 for text.
        labels: (B, L) the token that each position has to predict, `IGNORE` where there is none. Already
            shifted: the last position of a prompt holds the first target token.
        lengths: (B,) positions that are not padding.
        images: (N, 3, H, W) uint8 pixels, (N, T, C) features or (N, k, dim) prefix vectors: `stage` says which.
        image_of: (B, L) the image that each position sees, the last one at or before it; -1 before the first image.
    """

    ids: tuple[str, ...]
    tokens: Tensor
    slots: Tensor
    labels: Tensor
    lengths: Tensor
    images: Tensor
    stage: Stage = "pixels"
    openings: tuple[str, ...] = ()
    """The text that each row begins with, where rows are remainders of prompts; empty before an image."""
    index: Tensor = field(default_factory=_none)
    """(B,) of a chunk or a selection: which rows of its batch these are."""
    unreadable: tuple[tuple[str, str], ...] = ()
    """(sample, reason) of samples that are not in the batch, since an image could not be read."""
    target_bytes: tuple[int, ...] = ()
    """UTF-8 bytes of each row's targets, without what was cut off."""
    image_of: Tensor = field(default_factory=_none)
    rows_of: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """The rows of each objective, by its name; all rows belong to an objective that is not named."""
    made_of: tuple[str, ...] = ()
    """Ids of the samples that the rows were made of, where these are not the rows' own."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """This rank's share of each objective's denominator, over all micro-batches of the optimiser step."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def samples(self) -> tuple[str, ...]:
        """Ids of the samples that the rows were made of."""
        return self.made_of or self.ids

    def to(self, device: torch.device | str) -> Batch:
        names = ("tokens", "slots", "labels", "lengths", "images", "image_of")
        return replace(self, **{name: getattr(self, name).to(device, non_blocking=True) for name in names})

    def real(self) -> Tensor:
        """(B, L) bool: positions that are not padding."""
        return torch.arange(self.tokens.shape[1], device=self.lengths.device)[None] < self.lengths[:, None]

    def own_rows(self, objective: str) -> tuple[int, ...] | None:
        """The rows of an objective in its own order; None where they are all rows as they stand."""
        rows = self.rows_of.get(objective)
        return None if rows is None or rows == tuple(range(len(self))) else rows

    def of(self, objective: str) -> Batch:
        """The rows of an objective in its own order, with all images of the batch; their padding stays."""
        rows = self.own_rows(objective)
        return self if rows is None else self.select(torch.tensor(rows, dtype=torch.long))

    def select(self, index: Tensor, width: int | None = None) -> Batch:
        """Some rows, cut to a width, with all images of the batch; `index` of the result names the rows."""
        places = index.tolist()
        rows = index.to(self.tokens.device)
        return replace(
            self,
            ids=tuple(self.ids[place] for place in places),
            tokens=self.tokens[rows, :width],
            slots=self.slots[rows, :width],
            labels=self.labels[rows, :width],
            lengths=self.lengths[rows],
            image_of=self.image_of[rows, :width] if self.image_of.numel() else self.image_of,
            target_bytes=tuple(self.target_bytes[place] for place in places) if self.target_bytes else (),
            index=rows,
            rows_of={},
        )

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
            yield self.select(index, width)
