"""One row of a batch, as it grows part by part."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from frozenvl.model.batch import IGNORE

BLANK = (0, -1, IGNORE, -1, -1)
"""Values behind the end of a row: token, slot, label, image, marker. See `Batch`."""


class Row:
    """Positions of a prompt and its target: columns of `Batch` before padding."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.slots: list[int] = []
        self.image_of: list[int] = []
        self.image = -1
        """Image that the next positions see: the last one so far; -1 for none."""
        self.learned: dict[int, int] = {}
        """Label of each position whose next token is learned."""
        self.marked: dict[int, int] = {}
        """Marker at a position."""
        self.target_bytes = 0
        """Size of the learned texts in UTF-8."""

    def add(self, tokens: Sequence[int], slots: Sequence[int] | None = None) -> None:
        """Appends positions.

        Args:
            tokens: token ids; 0 at the positions of images and markers.
            slots: places of the image's vectors, if these are an image's positions.
        """
        self.tokens += tokens
        self.slots += [-1] * len(tokens) if slots is None else slots
        self.image_of += [self.image] * len(tokens)

    def add_target(self, target: Sequence[int]) -> None:
        """Appends a target. Its last token is predicted but never an input."""
        first = len(self.tokens) - 1
        self.learned |= dict(enumerate(target, first))
        self.add(target[:-1])

    def columns(self) -> tuple[list[int], ...]:
        """Returns tokens, slots, labels, images and markers, one of each a position."""
        places = range(len(self.tokens))
        labels = [self.learned.get(place, IGNORE) for place in places]
        return (
            self.tokens,
            self.slots,
            labels,
            self.image_of,
            [self.marked.get(place, -1) for place in places],
        )


def padded(rows: Sequence[Row]) -> Tensor:
    """Returns the columns (rows, 5, width) of rows, which end with `BLANK` positions."""
    width = max((len(row.tokens) for row in rows), default=0)
    columns = [
        [column + [blank] * (width - len(column)) for column, blank in zip(row.columns(), BLANK, strict=True)]
        for row in rows
    ]
    return torch.tensor(columns, dtype=torch.long).reshape(len(rows), len(BLANK), width)
