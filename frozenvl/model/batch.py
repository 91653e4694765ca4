"""`Batch`: prompts as tensors. Images are kept apart from the text, each distinct image once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from frozenvl.model.prefix_tree import PrefixTree

IGNORE = -100
"""Label of a position without a target."""

Stage: TypeAlias = Literal["pixels", "features", "prefixes"]
"""Form of a batch's images: pixels, encoder features, or prefix vectors."""


def _no_indices() -> Tensor:
    return torch.empty(0, dtype=torch.long)


@dataclass(frozen=True)
class Batch:
    """`B` prompts of up to `L` positions with `N` distinct images, padded on the right.

    Shapes:
        tokens: (B, L) token ids; 0 at image positions and padding.
        slots: (B, L) index of the prefix vector at each position, among the N·k vectors of all images; -1 for text.
        labels: (B, L) token that each position predicts, `IGNORE` if none. Labels are already shifted: the last
            position of a prompt holds the first target token.
        lengths: (B,) number of real (non-padding) positions.
        images: (N, 3, H, W) uint8 pixels, (N, T, C) features or (N, k, dim) prefix vectors, depending on `stage`.
        image_of: (B, L) image that each position sees: the last one at or before it; -1 before the first image.
        markers: (B, L) index of the marker at each position, -1 if none; empty if the batch has no markers.
        views: (M, F) index of each image of M views, -1 where a view has fewer than F frames; empty if each image is
            one view. With views, the prefix vectors are those of views: `slots` and `image_of` count them.
        numbers: (M, F) number of each frame in its video, -1 for images that are not in one; empty without views.
    """

    ids: tuple[str, ...]
    tokens: Tensor
    slots: Tensor
    labels: Tensor
    lengths: Tensor
    images: Tensor
    stage: Stage = "pixels"
    openings: tuple[str, ...] = ()
    """First text of each row, if rows continue a prompt cache; an empty string if a row begins with an image."""
    index: Tensor = field(default_factory=_no_indices)
    """Indices (B,) of a chunk's or selection's rows in the batch that they come from."""
    unreadable: tuple[tuple[str, str], ...] = ()
    """(sample id, reason) of each sample left out because an image could not be read, or it was too long."""
    cut: tuple[tuple[str, str], ...] = ()
    """(sample id, what was left out) of each conversation that was cut, because it was too long."""
    target_bytes: tuple[int, ...] = ()
    """Number of UTF-8 bytes of each row's targets, without the text that was cut off."""
    image_of: Tensor = field(default_factory=_no_indices)
    markers: Tensor = field(default_factory=_no_indices)
    views: Tensor = field(default_factory=_no_indices)
    numbers: Tensor = field(default_factory=_no_indices)
    texts: tuple[str, ...] = ()
    """Text of each row's prompt, without images, markers and target."""
    image_keys: tuple[str, ...] = ()
    """Identifier of each image, or view if the batch has views: equal ones are one photograph."""
    separate: Mapping[str, Batch] = field(default_factory=dict)
    """Rows of each objective that has a batch of its own, by name. Their images are those of this batch."""
    rest: tuple[Batch, ...] = ()
    """Later micro-batches of the optimiser step: the first one lists them if an objective prepares whole steps."""
    rows_of: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Row indices of each objective, by name. All rows belong to an objective that is not listed."""
    made_of: tuple[str, ...] = ()
    """Ids of the samples that the rows were made from, if they differ from `ids`."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Denominator of each objective, by name: this rank's sum over all micro-batches of the optimiser step."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def samples(self) -> tuple[str, ...]:
        """Ids of the samples that the rows were made from."""
        return self.made_of or self.ids

    @property
    def parts(self) -> tuple[Batch, ...]:
        """This batch without the batches inside it, and each of these: all rows that objectives have."""
        return (self, *self.separate.values())

    def to(self, device: torch.device | str) -> Batch:
        """Returns the batch with its tensors on a device."""
        names = ("tokens", "slots", "labels", "lengths", "images", "image_of", "markers", "views", "numbers")
        moved = replace(self, **{name: getattr(self, name).to(device, non_blocking=True) for name in names})
        separate = {
            name: replace(batch, images=moved.images.new_empty(0)).to(device)
            for name, batch in self.separate.items()
        }
        return replace(moved, separate=separate)

    def real(self) -> Tensor:
        """Returns the mask (B, L), bool, of real (non-padding) positions."""
        return torch.arange(self.tokens.shape[1], device=self.lengths.device)[None] < self.lengths[:, None]

    def per_view(self, values: Tensor) -> Tensor:
        """Returns the mean of values (N, …) over the images of each view (M, …); without views, the values."""
        if not self.views.numel():
            return values
        seen = (self.views >= 0).to(values.dtype).reshape(*self.views.shape, *[1] * (values.ndim - 1))
        return (values[self.views.clamp(min=0)] * seen).sum(1) / seen.sum(1)

    def own_rows(self, objective: str) -> tuple[int, ...] | None:
        """Returns the row indices of an objective, in its order; None if they are all rows in the batch's order."""
        rows = self.rows_of.get(objective)
        return None if rows is None or rows == tuple(range(len(self))) else rows

    @cached_property
    def tree(self) -> PrefixTree:
        """The common beginnings of the rows: the same tokens, images and markers."""
        parts = (self.tokens, self.slots, self.image_of, self.markers)
        return PrefixTree.of(torch.stack([part for part in parts if part.numel()], dim=-1), self.lengths)

    def of(self, objective: str) -> Batch:
        """Returns the rows of an objective, in its order, with their padding and all images of the batch."""
        if objective in self.separate:
            return replace(self.separate[objective], images=self.images)
        rows = self.own_rows(objective)
        return self if rows is None else self.select(torch.tensor(rows, dtype=torch.long))

    def select(self, index: Tensor, width: int | None = None) -> Batch:
        """Returns the rows at `index`, cut to a width, with all images of the batch. The result keeps `index`."""
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
            markers=self.markers[rows, :width] if self.markers.numel() else self.markers,
            texts=tuple(self.texts[place] for place in places) if self.texts else (),
            target_bytes=tuple(self.target_bytes[place] for place in places) if self.target_bytes else (),
            index=rows,
            rows_of={},
            separate={},
            rest=(),
        )

    def chunks(self, positions: int, before: int = 0) -> Iterator[Batch]:
        """Yields the rows in chunks of similar length. Each chunk keeps all images of the batch.

        Args:
            positions: maximal number of padded positions of a chunk; a chunk has at least one row.
            before: number of positions in front of each row, which count too.
        """
        order = self.lengths.argsort(descending=True, stable=True)
        start = 0
        while start < len(order):
            width = int(self.lengths[order[start]])
            index = order[start : start + max(1, positions // (before + width))]
            start += len(index)
            yield self.select(index, width)
