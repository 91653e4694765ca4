"""Conditioning of layers on images: which images each position sees, and what a fusion computes from them.

Nothing of a pass is stored on the language model. A pass puts its conditioning into a context variable, and the layers
ask that variable. So passes of several models, or of several threads through one model, do not disturb each other.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

Rule: TypeAlias = Literal["last", "all"]
"""Images that a position sees: the last one at or before it, or all of these."""


class Conditioner:
    """Images of a pass, as a fusion prepares them for the layers. A subclass overrides one of the two methods.

    What depends on the images alone, such as keys and values, is computed once for all texts of the pass.

    Args:
        images: (N, k, dim) prefix vectors of the images.
        part: part of the model whose layers it runs, if any.
    """

    rule: Rule = "last"
    in_attention: bool = False
    """True if `attention` adds to the attention of layers."""

    def __init__(self, images: Tensor, part: nn.Module | None = None) -> None:
        self.images, self.part = images, part

    def before_layer(self, number: int, hidden: Tensor, conditioning: Conditioning) -> Tensor:
        """Returns the input (positions, dim) of a layer, given what it would be without images.

        Args:
            number: number of the layer, from 0.
            hidden: (positions, dim)
            conditioning: images that each of the positions sees.
        """
        return hidden

    def attention(
        self, number: int, query: Tensor, scale: float, conditioning: Conditioning
    ) -> Tensor | None:
        """Returns what images add to a layer's attention (S, heads, width); None if they add nothing.

        Args:
            number: number of the layer, from 0.
            query: (S, heads, width) the layer's own queries of the positions that see an image.
            scale: factor of the layer's attention scores.
            conditioning: images that these positions see.
        """
        return None


class Groups(NamedTuple):
    """Positions that see an image, grouped by their view. G groups have up to M positions each."""

    seeing: Tensor
    """(S,) places of the positions that see an image."""
    grid: Tensor
    """(G, M) index of each group's positions in `seeing`; S at padding."""
    place: Tensor
    """(S,) place of each of these positions in the flattened grid."""
    images: Tensor
    """(G, images) images of each group; -1 at padding."""


@dataclass(frozen=True)
class Conditioning:
    """Images that the positions of sequences see. A *view* is a set of images that are seen together.

    Shapes, for B sequences of L positions:
        views: (V, images) images of each view; -1 at padding. By the rule `last`, view n is image n.
        view_of: (B, L) view of each position; -1 if it sees no image.
    """

    conditioner: Conditioner
    views: Tensor
    view_of: Tensor
    recompute: bool = False
    """True if the backward pass recomputes what stands before a layer, instead of keeping it (checkpointing)."""
    _fitted: dict[tuple[int, int], Conditioning] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, conditioner: Conditioner, image_of: Tensor) -> Conditioning | None:
        """Returns the conditioning of sequences, given the last image (B, L) at or before each position.

        None if no position sees an image: the language model then runs as if it had no fusion.
        """
        if not bool((image_of >= 0).any()):
            return None
        if conditioner.rule == "last":
            views = torch.arange(len(conditioner.images), device=image_of.device)[:, None]
            return cls(conditioner, views, image_of)
        number: dict[tuple[int, ...], int] = {}
        rows = []
        for row in image_of.tolist():
            seen: tuple[int, ...] = ()
            views_of_row = []
            for image in row:
                # Padding sees nothing, whatever stands before it.
                seen = seen if image < 0 or image in seen else (*seen, image)
                views_of_row.append(number.setdefault(seen, len(number)) if image >= 0 else -1)
            rows.append(views_of_row)
        most = max(map(len, number))
        padded = [list(view) + [-1] * (most - len(view)) for view in number]
        made = lambda values: torch.tensor(values, dtype=torch.long, device=image_of.device)
        return cls(conditioner, made(padded), made(rows))

    def seen_by(self, view_of: Tensor) -> Conditioning:
        """Returns the conditioning of other positions, given the view of each."""
        return Conditioning(self.conditioner, self.views, view_of, self.recompute)

    def rows(self, index: Tensor) -> Conditioning:
        """Returns the conditioning of the sequences at `index`, which may repeat."""
        return self.seen_by(self.view_of[index])

    def columns(self, start: int | None = None, end: int | None = None) -> Conditioning:
        """Returns the conditioning of neighbouring positions of each sequence."""
        return self.seen_by(self.view_of[:, start:end])

    def behind(self, positions: int) -> Conditioning:
        """Returns the conditioning of the same sequences behind more positions, which see no image."""
        first = self.view_of.new_full((len(self.view_of), positions), -1)
        return self.seen_by(torch.cat([first, self.view_of], dim=1)) if positions else self

    def recomputed(self, recompute: bool) -> Conditioning:
        """Returns the conditioning with or without recomputation in the backward pass."""
        return self if recompute == self.recompute else replace(self, recompute=recompute, _fitted={})

    def fitted(self, rows: int, length: int) -> Conditioning:
        """Returns the conditioning of the positions of a pass, whose shape decoding may have changed.

        transformers' `generate` repeats each sequence for its beams, and continues with one position at a time, which
        sees what the last one saw.
        """
        count, width = self.view_of.shape
        if (rows, length) == (count, width):
            return self
        if (rows, length) not in self._fitted:
            view_of = self.view_of if length == width else self.view_of[:, -1:].expand(-1, length)
            self._fitted[rows, length] = self.seen_by(view_of.repeat_interleave(rows // count, dim=0))
        return self._fitted[rows, length]

    @cached_property
    def groups(self) -> Groups:
        """Positions that see an image, grouped by their view."""
        view_of = self.view_of.flatten()
        seeing = (view_of >= 0).nonzero()[:, 0]
        view, order = view_of[seeing].sort(stable=True)
        present, group, counts = view.unique_consecutive(return_inverse=True, return_counts=True)
        most = max(counts.tolist(), default=0)
        column = torch.arange(len(seeing), device=seeing.device) - (counts.cumsum(0) - counts)[group]
        place = torch.empty_like(order)
        place[order] = group * most + column
        grid = torch.full((len(present) * most,), len(seeing), device=seeing.device)
        grid[group * most + column] = order
        return Groups(seeing, grid.view(len(present), most), place, self.views[present])

    def select(self, positions: Tensor) -> Tensor:
        """Returns the rows of `positions` (positions, …) that see an image."""
        seeing = self.groups.seeing
        return positions if len(seeing) == len(positions) else positions.index_select(0, seeing)

    def add(self, positions: Tensor, update: Tensor) -> Tensor:
        """Adds an update (S, …) to the positions (positions, …) that see an image. The others are not changed."""
        seeing, update = self.groups.seeing, update.to(positions.dtype)
        return positions + update if len(seeing) == len(positions) else positions.index_add(0, seeing, update)

    def run(self, function: Callable[..., Tensor], *inputs: Any) -> Tensor:
        """Returns a function's result. With `recompute` its intermediate values are not kept for the backward pass."""
        if self.recompute and torch.is_grad_enabled():
            result: Tensor = checkpoint(function, *inputs, use_reentrant=False)
            return result
        return function(*inputs)

    def attend(self, query: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
        """Computes attention of positions to the vectors of the images that they see.

        Args:
            query: (S, heads, width) queries of the positions that see an image.
            keys: (N, k, key heads, width) keys of all images. Several heads may share a key head.
            values: (N, k, key heads, width) values.
            scale: factor of the attention scores.

        Returns:
            (S, heads, width)
        """
        groups, shared = self.groups, keys.shape[2]
        _, heads, width = query.shape
        size, most = groups.grid.shape
        padded = torch.cat([query, query.new_zeros(1, heads, width)])
        q = padded.index_select(0, groups.grid.flatten()).view(size, most, shared, -1, width)
        q = q.permute(0, 2, 3, 1, 4).reshape(size, shared, -1, width) * scale
        seen = groups.images.clamp(min=0).flatten()

        def of_groups(x: Tensor) -> Tensor:
            """Returns the vectors of the images of each group (G, key heads, images·k, width)."""
            return x.index_select(0, seen).view(size, -1, shared, x.shape[-1]).transpose(1, 2)

        k, v = of_groups(keys.to(q.dtype)), of_groups(values.to(q.dtype))
        scores = q @ k.transpose(2, 3)
        if groups.images.shape[1] > 1:
            missing = (groups.images < 0).repeat_interleave(keys.shape[1], dim=1)
            scores = scores.masked_fill(missing[:, None, None], float("-inf"))
        weights = scores.softmax(-1, dtype=torch.promote_types(scores.dtype, torch.float32)).to(v.dtype)
        out = (weights @ v).view(size, shared, -1, most, v.shape[-1]).permute(0, 3, 1, 2, 4)
        return out.reshape(size * most, heads, v.shape[-1]).index_select(0, groups.place)


def parts(conditioning: Conditioning | None) -> tuple[nn.Module, ...]:
    """Returns the parts of the model that run before its layers, beside the language model."""
    part = None if conditioning is None else conditioning.conditioner.part
    return () if part is None else (part,)


ATTENTION = "frozenvl_conditioned"
"""Name, in transformers' registry, of attention that includes the images of the current pass."""


class conditioned:
    """Context manager of a pass whose layers are conditioned on images. It can be entered again after exit.

    Args:
        conditioning: images that the positions of the pass see.
        config: configuration of the language model, if its attention is to include the images; None if it does so
            already, or the images are not in the attention.
    """

    def __init__(self, conditioning: Conditioning, config: Any = None) -> None:
        self.conditioning, self.config = conditioning, config
        self._before: list[tuple[Token[conditioned | None], str | None]] = []

    @staticmethod
    def now() -> conditioned | None:
        """Returns the current pass; None if it is not conditioned on images."""
        return _NOW.get()

    def __enter__(self) -> None:
        self._before.append((_NOW.set(self), getattr(self.config, "_attn_implementation", None)))
        if self.config is not None:
            self.config._attn_implementation = ATTENTION

    def __exit__(self, *_: object) -> None:
        token, attention = self._before.pop()
        _NOW.reset(token)
        if self.config is not None:
            self.config._attn_implementation = attention


_NOW: ContextVar[conditioned | None] = ContextVar("conditioned", default=None)


def before_layer(number: int, _: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Changes the input of a layer, as its forward pre-hook. Outside a conditioned pass it changes nothing."""
    if (now := conditioned.now()) is None:
        return None
    name = "hidden_states"
    hidden: Tensor = inputs[0] if inputs else named[name]
    here = now.conditioning.fitted(*hidden.shape[:2])
    dtype = hidden.dtype
    bf16 = dtype == torch.bfloat16 or torch.is_autocast_enabled(hidden.device.type)
    with torch.autocast(hidden.device.type, dtype=torch.bfloat16, enabled=bf16):
        changed = here.conditioner.before_layer(number, hidden.flatten(0, 1), here)
    changed = changed.view(hidden.shape).to(dtype)
    return ((changed, *inputs[1:]), named) if inputs else ((), named | {name: changed})


def add_image_attention(module: Any, query: Tensor, out: Tensor, scale: float) -> Tensor:
    """Adds what images contribute to the attention of a layer. Outside a conditioned pass it changes nothing.

    Args:
        module: attention module of the layer.
        query: (B, heads, L, width) the layer's queries.
        out: (B, L, heads, width) the layer's attention to the text.
        scale: factor of the layer's attention scores.
    """
    if (now := conditioned.now()) is None:
        return out
    here = now.conditioning.fitted(query.shape[0], query.shape[2])
    queries = here.select(query.transpose(1, 2).flatten(0, 1))
    more = here.conditioner.attention(module.layer_idx, queries, scale, here)
    return out if more is None else here.add(out.flatten(0, 1), more).view(out.shape)
