"""Pooling: one vector per row from hidden states of one or several layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from frozenvl.model.batch import Batch
from frozenvl.model.forward import Forward
from frozenvl.util.errors import UserError

if TYPE_CHECKING:
    from frozenvl.model.language.causal_lm import FrozenLanguageModel

Pool = Literal["marker", "mean", "last"]
"""Positions of a row that are read: the marker, the mean of all but the first, or the last one."""


def check_layers(layers: Sequence[int], language: FrozenLanguageModel) -> None:
    """Checks the layers that a head reads. Raises `UserError` if the model lacks one of them."""
    for layer in layers:
        if not -1 <= layer <= language.depth:
            raise UserError(
                f"model.heads: layer {layer}, but {language.name} has {language.depth}; name 0 (the embeddings) to "
                f"{language.depth}, or -1 (the last hidden states)"
            )


def pooled_states(run: Forward, layers: Sequence[int], pool: Pool) -> Tensor:
    """Returns hidden states (rows, layers, dim), in fp32, pooled over the positions of each row.

    The mean leaves the first position out, unless it is the only one: language models use it as an attention sink, and
    its states are hundreds of times larger than others.

    Args:
        run: pass whose rows are read.
        layers: 0 for the input embeddings, i for the output of layer i, -1 for the last hidden states.
        pool: positions that are read. A row has one marker.
    """
    batch = run.batch
    pooled = torch.zeros(len(batch), len(layers), run.model.language.dim, device=batch.lengths.device)
    for chunk, states in run.states(layers):
        lengths = chunk.lengths
        if pool == "mean":
            row = torch.arange(len(chunk), device=lengths.device).repeat_interleave(lengths)
            first = torch.arange(len(row), device=row.device) == (lengths.cumsum(0) - lengths)[row]
            weight = (~first | (lengths == 1)[row]).float() / (lengths - 1).clamp(min=1)[row]
            values = pooled.new_zeros(len(chunk), *pooled.shape[1:])
            values = values.index_add(0, row, states.float() * weight[:, None, None])
        else:
            read = lengths.cumsum(0) - 1 if pool == "last" else chunk.markers[chunk.real()] >= 0
            values = states[read].float()
        pooled = pooled.index_copy(0, _places(chunk.index, len(chunk)), values)
    return pooled


def marker_states(run: Forward, layers: Sequence[int]) -> Tensor:
    """Returns hidden states (rows, layers, markers, dim), in fp32, at the markers of each row, in their order.

    Args:
        run: pass whose rows are read. All have the same number of markers.
        layers: 0 for the input embeddings, i for the output of layer i, -1 for the last hidden states.
    """
    batch, dim = run.batch, run.model.language.dim
    number = int((batch.markers[0] >= 0).sum()) if len(batch) else 0
    found = torch.zeros(len(batch), len(layers), number, dim, device=batch.lengths.device)
    for chunk, states in run.states(layers):
        read = states[chunk.markers[chunk.real()] >= 0].float()
        values = read.unflatten(0, (len(chunk), number)).transpose(1, 2)
        found = found.index_copy(0, _places(chunk.index, len(chunk)), values)
    return found


def of_images(batch: Batch, values: Tensor) -> Tensor:
    """Returns the value (rows, …) of each row's last image; the mean over the frames, if the row is a video.

    Args:
        batch: rows with an image or a video each.
        values: (N, …) value of each image of the batch, in fp32.
    """
    seen = batch.image_of.gather(1, batch.lengths[:, None] - 1)[:, 0]
    values = batch.per_view(values)
    chosen = values[seen]
    placed = (batch.slots >= 0) & batch.real()
    several = ((batch.image_of != seen[:, None]) & placed).any(1)
    if not several.any():
        return chosen
    row, column = (placed & several[:, None]).nonzero(as_tuple=True)
    image = batch.image_of[row, column]
    total = torch.zeros_like(chosen).index_add(0, row, values[image])
    count = placed.sum(1).clamp(min=1).reshape(-1, *[1] * (chosen.dim() - 1))
    return torch.where(several.reshape(count.shape), total / count, chosen)


def _places(index: Tensor, rows: int) -> Tensor:
    """Returns the rows of the batch that a chunk's rows are; `index` is empty for a batch that was not cut."""
    return index if len(index) else torch.arange(rows, device=index.device)
