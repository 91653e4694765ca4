"""Layout of packed sequences: where the positions of padded rows stand in one long sequence, and back.

Rows that begin alike share their beginning (`PrefixTree`): it is computed once, as one stretch of the long sequence.
Each of their rows then needs its keys and values, but only the row that computes a position needs its query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from frozenvl.model.prefix_tree import PrefixTree

SAVES = 0.75
"""Largest share of the queries that two parts of the rows may leave to be computed in two parts."""
PART_COST = 4096
"""Cost of a further part of the rows on a CPU, as the number of pairs of query and key that take the same time."""


class Copies(NamedTuple):
    """Index maps between packed vectors and copies of them. A vector may be copied several times."""

    source: Tensor
    """(copies,) packed vector of each copy; arbitrary at padding."""
    first: Tensor
    """(vectors,) place of each vector's first copy."""
    again: Tensor
    """Places of further copies."""
    of: Tensor
    """Packed vector of each of these."""


class Part(NamedTuple):
    """Neighbouring rows of `Layout.order`, and the queries that they compute."""

    start: int
    """Place of the first row in `order`."""
    end: int
    """Place behind the last row."""
    queries: int
    """Largest number of queries of a row."""
    keys: int
    """Largest number of positions of a row."""
    shared: Tensor | None
    """(rows,) position of each row's first query; None if all rows compute all of their positions."""


class Grid(NamedTuple):
    """Copies of packed positions as rows: all three (rows, columns)."""

    source: Tensor
    """Packed position at each place; arbitrary at padding."""
    first: Tensor
    """Mask of the places whose position is computed there."""
    again: Tensor
    """Mask of the places that repeat a position."""


@dataclass(frozen=True)
class Layout:
    """Index maps between packed sequences and padded rows.

    With a prefix tree, the common beginning of several rows is packed once. Each of their rows gets a copy of its keys
    and values, and the first row's copy of a position is the one that computes it.

    Shapes, for B sequences of up to W positions, T packed positions in all:
        deal: (B, W) packed position at each place of the rows; arbitrary at padding.
        real: (B, W) mask of the places that are no padding.
        new: (B, W) mask of the places whose position is computed there, in the order of the packed positions.
        positions: (T,) position of each packed position within its sequence; 0 at padding behind all sequences.
        order: (B,) order of the rows in attention.
        parts: rows of attention with the same number of queries, up to padding.
    """

    rows: int
    width: int
    deal: Tensor
    real: Tensor
    new: Tensor
    positions: Tensor
    order: Tensor
    parts: tuple[Part, ...]
    _keys: dict[int, Copies] = field(default_factory=dict)
    _queries: dict[int, Copies] = field(default_factory=dict)
    _hidden: dict[tuple[int, int | None], Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, lengths: Tensor, tree: PrefixTree | None = None, multiple: int = 1) -> Layout:
        """Builds the layout of sequences of these lengths (B,), with the common beginnings of a tree.

        T is padded to a multiple of `multiple`.
        """
        rows, width = len(lengths), int(lengths.max())
        columns = torch.arange(width, device=lengths.device)
        real = columns[None] < lengths[:, None]
        if tree is None or not tree.saved:
            starts = lengths.cumsum(0) - lengths
            deal = torch.where(real, starts[:, None] + columns[None], 0)
            order, parts = by_length(lengths)
            return cls(rows, width, deal, real, real, positions(real, multiple), order, parts)
        shared = torch.tensor(tree.shared, device=lengths.device)
        new = real & (columns[None] >= shared[:, None])
        # On the CPU: one small copy for each row.
        places = (new.flatten().cumsum(0) - 1).view(new.shape).cpu()
        for before, row in pairwise(tree.order):
            places[row, : tree.shared[row]] = places[before, : tree.shared[row]]
        deal = torch.where(real, places.to(lengths.device), 0)
        order, parts = split(lengths, shared)
        return cls(rows, width, deal, real, new, positions(new, multiple), order, parts)

    def keys(self, heads: int) -> Copies:
        """Returns the maps to rows (B·heads·W,), in `order`, for keys and values: a vector per head, (T·heads,)."""
        if heads not in self._keys:
            real, new = self.real[self.order], self.new[self.order]
            self._keys[heads] = self._copies([Grid(self.deal[self.order], new, real & ~new)], heads)
        return self._keys[heads]

    def queries(self, heads: int) -> Copies:
        """Returns the maps to the queries of each part (rows·heads·queries,), one part behind the other."""
        if heads not in self._queries:
            self._queries[heads] = self._copies([self._grid(part) for part in self.parts], heads)
        return self._queries[heads]

    def _grid(self, part: Part) -> Grid:
        """Returns the positions that the rows of a part compute."""
        rows = self.order[part.start : part.end]
        columns = torch.arange(part.queries, device=rows.device).expand(len(rows), -1)
        if part.shared is not None:
            columns = columns + part.shared[:, None]
        inside = columns.clamp(max=self.width - 1)
        computed = self.new[rows].gather(1, inside) & (columns < self.width)
        return Grid(self.deal[rows].gather(1, inside), computed, torch.zeros_like(computed))

    def _copies(self, grids: Sequence[Grid], heads: int) -> Copies:
        sources: list[Tensor] = []
        first: list[Tensor] = []
        again: list[Tensor] = []
        head = torch.arange(heads, device=self.deal.device)
        before = 0
        for grid in grids:
            columns = grid.source.shape[1]
            sources.append((grid.source[:, None] * heads + head[None, :, None]).flatten())
            for places, mask in ((first, grid.first), (again, grid.again)):
                row, column = mask.nonzero(as_tuple=True)
                place = (row[:, None] * heads + head[None]) * columns + column[:, None]
                places.append(place.flatten() + before)
            before += len(sources[-1])
        source, computed, repeated = torch.cat(sources), torch.cat(first), torch.cat(again)
        ordered = torch.empty_like(computed)
        ordered[source[computed]] = computed
        return Copies(source, ordered, repeated, source[repeated])

    def hidden(self, number: int, window: int | None = None) -> Tensor:
        """Returns the mask of the keys that queries do not see: (queries, keys), or (rows, 1, 1, queries, keys).

        Args:
            number: number of the part.
            window: width of a sliding window, in positions.
        """
        if (number, window) not in self._hidden:
            part, device = self.parts[number], self.deal.device
            at = torch.arange(part.queries, device=device)[:, None]
            if part.shared is not None:
                # Padding sees what the last column sees. Without any key its softmax and all gradients were nan.
                at = (at + part.shared[:, None, None, None, None]).clamp(max=part.keys - 1)
            distance = at - torch.arange(part.keys, device=device)
            self._hidden[number, window] = (distance < 0) | (distance >= (window or self.width))
        return self._hidden[number, window]


def positions(computed: Tensor, multiple: int) -> Tensor:
    """Returns the positions (T,) at the places (B, W) that are computed, with zeros up to a multiple of `multiple`."""
    places = computed.nonzero(as_tuple=True)[1]
    return pad(places, (0, -len(places) % multiple))


def by_length(lengths: Tensor) -> tuple[Tensor, tuple[Part, ...]]:
    """Splits rows that share nothing into parts of similar length, on a CPU and where this saves more than parts cost.

    Attention takes as long for each row of a part as for its longest. No other device was timed.

    Args:
        lengths: (B,) number of real positions.

    Returns:
        the order (B,) of the rows, the longest first if there are several parts, and the parts.
    """
    sizes, order = lengths.sort(descending=True, stable=True)
    counts = sizes.tolist()
    squares = [count * count for count in counts]
    starts = [0]
    if lengths.device.type == "cpu" and len(counts) * squares[0] - sum(squares) > PART_COST:
        # Least cost of the rows before each place where lengths change, and the starts of the parts with this cost.
        best: dict[int, tuple[int, list[int]]] = {0: (0, [])}
        changes = [place for place in range(1, len(counts)) if counts[place] < counts[place - 1]]
        for end in [*changes, len(counts)]:
            best[end] = min(
                (cost + PART_COST + (end - start) * squares[start], [*before, start])
                for start, (cost, before) in best.items()
            )
        starts = best[len(counts)][1]
    if len(starts) == 1:
        order = torch.arange(len(counts), device=lengths.device)
    bounds = pairwise([*starts, len(counts)])
    return order, tuple(
        Part(start, end, counts[start], counts[start], None) for start, end in bounds if counts[start]
    )


def split(lengths: Tensor, shared: Tensor) -> tuple[Tensor, tuple[Part, ...]]:
    """Orders rows by the number of positions that they compute, and splits them where this saves most queries.

    Args:
        lengths: (B,) number of real positions.
        shared: (B,) number of positions that other rows compute.

    Returns:
        the order (B,) of the rows, and one or two parts of it.
    """
    computed, order = (lengths - shared).sort(descending=True, stable=True)
    counts = computed.tolist()
    rows, most = len(counts), counts[0]
    queries, at = min((place * most + (rows - place) * counts[place], place) for place in range(1, rows))
    # Two parts have twice the operations, so they have to save more than that costs.
    parts = [(0, rows)] if queries > SAVES * rows * most else [(0, at), (at, rows)]
    starts, sizes = shared[order], lengths[order].tolist()
    return order, tuple(
        Part(start, end, counts[start], max(sizes[start:end]), starts[start:end])
        for start, end in parts
        if counts[start]
    )


def take(places: Tensor, first: Tensor, vectors: int) -> Tensor:
    """Returns the rows of `places` at `first`, and zeros behind them: `vectors` rows in all."""
    if len(first) == vectors:
        return places.index_select(0, first)
    out = places.new_zeros(vectors, places.shape[1])
    torch.index_select(places, 0, first, out=out[: len(first)])
    return out


class _Deal(torch.autograd.Function):
    """Copies packed vectors (T·heads, width) to places (copies, width). The gradients of copies are added in fp32."""

    @staticmethod
    def forward(ctx: Any, packed: Tensor, *copies: Tensor) -> Tensor:
        ctx.copies, ctx.vectors = Copies(*copies), len(packed)
        return packed.index_select(0, ctx.copies.source)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        # Padding needs no gradient: the causal mask hides it, and its output is dropped.
        copies = ctx.copies
        once = take(grad, copies.first, ctx.vectors)
        if copies.again.numel():
            wide = once.to(torch.promote_types(grad.dtype, torch.float32))
            wide.index_add_(0, copies.of, grad.index_select(0, copies.again).to(wide.dtype))
            once = wide.to(grad.dtype)
        return once, *(None for _ in copies)


class _Collect(torch.autograd.Function):
    """Copies places back to packed vectors. No place is read twice, so its gradient is copied, not accumulated."""

    @staticmethod
    def forward(ctx: Any, places: Tensor, first: Tensor, vectors: int) -> Tensor:
        ctx.first, ctx.places = first, len(places)
        return take(places, first, vectors)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        real = grad[: len(ctx.first)]
        return grad.new_zeros(ctx.places, grad.shape[1]).index_copy_(0, ctx.first, real), None, None


def deal(packed: Tensor, copies: Copies) -> Tensor:
    """Copies packed vectors (1, heads, T, width) to places (copies, width)."""
    return _Deal.apply(packed[0].transpose(0, 1).reshape(-1, packed.shape[-1]), *copies)


def collect(places: Tensor, copies: Copies, vectors: int) -> Tensor:
    """Copies places (copies, width) back to packed vectors (vectors, width), with zeros at padding."""
    return _Collect.apply(places, copies.first, vectors)


def unpacked(packed: Tensor, layout: Layout) -> Tensor:
    """Returns packed vectors (T, …) row by row, (sum of lengths, …); a common beginning stands in each of its rows."""
    if layout.parts[0].shared is None:
        return packed[: int(layout.real.sum())]
    source, computed = layout.deal[layout.real], layout.new[layout.real]
    again = (~computed).nonzero()[:, 0]
    copies = Copies(source, computed.nonzero()[:, 0], again, source[again])
    return _Deal.apply(packed.flatten(1), *copies).view(-1, *packed.shape[1:])
