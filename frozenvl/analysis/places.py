"""Places: which cell of the image a feature vector or a prefix vector stands for."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import torch
from torch import Tensor

from frozenvl.analysis.target import Level, TargetFunction
from frozenvl.model.frozen import FrozenVL
from frozenvl.util.errors import UserError

TOLERANCE = 1e-4
"""Change of a prefix vector, relative to its largest one, up to which it does not depend on a feature vector."""
VERSIONS_PER_PASS = 32


@dataclass(frozen=True)
class Places:
    """Cells of vectors.

    Args:
        side: number of cells per side of the encoder's square.
        cell_of: (vectors,) cell of each vector, row by row; -1 for one that stands for no cell (a class token).
    """

    side: int
    cell_of: Tensor


def feature_places(model: FrozenVL) -> Places | None:
    """Returns the cells of the encoder's feature vectors; None if they stand for no cells, such as a pooled vector."""
    tokens = model.vision.tokens
    encoder = next(iter(getattr(model.vision, "encoders", [model.vision])))
    side = isqrt(tokens)
    before = tokens - side * side  # class tokens
    if side < 2 or (before and getattr(encoder, "grid", None) != "all"):
        return None
    return Places(side, torch.cat([torch.full((before,), -1), torch.arange(side * side)]))


@torch.no_grad()
def prefix_places(model: FrozenVL, features: Tensor) -> Places | None:
    """Returns the cells of the prefix vectors; None if the mapper mixes cells.

    It is measured, not looked up by the mapper's class: each feature vector is changed in turn. A mapper has a grid if
    its vectors depend on different squares of cells, in order.

    Args:
        model: model.
        features: (1, tokens, channels) features of an image.
    """
    cells = feature_places(model)
    if cells is None:
        return None
    tokens = features.shape[1]
    changes = []
    before = model.map(features)
    for part in torch.arange(tokens, device=features.device).split(VERSIONS_PER_PASS):
        versions = features.repeat(len(part), 1, 1)
        # The order of a vector's channels is reversed: a change of its size, whatever its scale is.
        versions[torch.arange(len(part)), part] = features[0, part].flip(-1)
        changes.append((model.map(versions) - before).abs().float().amax(-1))
    change = torch.cat(changes).cpu()  # (tokens, k)
    depends = change > TOLERANCE * change.amax(0, keepdim=True).clamp(min=1e-12)
    of_cells = depends[cells.cell_of >= 0].unflatten(0, (cells.side, cells.side))
    local = of_cells.any(0).any(0).nonzero()[:, 0]  # vectors that depend on a cell
    side = isqrt(len(local))
    if side < 2 or side * side != len(local) or cells.side % side:
        return None
    fold = cells.side // side
    blocks = torch.eye(side * side).reshape(side * side, side, side)
    blocks = blocks.repeat_interleave(fold, 1).repeat_interleave(fold, 2).bool()
    if not (of_cells[..., local].permute(2, 0, 1) == blocks).all():
        return None
    cell_of = torch.full((depends.shape[1],), -1)
    cell_of[local] = torch.arange(len(local))
    return Places(side, cell_of)


def places_at(function: TargetFunction, level: Level) -> Places:
    """Returns the cells of the vectors at level `cell` or `prefix`.

    Raises:
        UserError: if they stand for no cells; the line names methods that do not need it.
    """
    model, others = function.model, "explain pixels (occlusion, integrated gradients) instead"
    cells = feature_places(model)
    if cells is None:
        raise UserError(
            f"{model.vision.name} gives pooled features: no vector stands for a place in the image; {others}"
        )
    if level == "cell":
        return cells
    places = prefix_places(model, function.at("cell"))
    if places is None:
        raise UserError(
            f"{type(model.mapper).__name__} mixes the places of the image: no prefix vector stands for one; {others}"
        )
    return places
