"""`Masking`: a target function of masks, where cells that are off show a baseline."""

from __future__ import annotations

import torch
from torch import Tensor

from frozenvl.analysis.baselines import Baseline, baseline_inputs
from frozenvl.analysis.places import Places, places_at
from frozenvl.analysis.target import IMAGES_PER_PASS, Level, TargetFunction
from frozenvl.util.errors import UserError

DEFAULT_SIDE = 7
"""Number of cells per side at level `pixel`."""


def cells_at(function: TargetFunction, grid: int | None, level: Level) -> tuple[int, Places | None]:
    """Returns the number of cells per side of the encoder's square, and the cells of vectors (None for pixels).

    Args:
        function: target function.
        grid: wanted number of cells per side; None for `DEFAULT_SIDE` at level `pixel`, or the vectors' own.
        level: what has cells.

    Raises:
        UserError: if the vectors of a level stand for no cells, or the grid does not fit.
    """
    if level == "pixel":
        side = DEFAULT_SIDE if grid is None else grid
        if not 2 <= side <= function.size:
            raise UserError(f"grid is {side}; it is from 2 to {function.size} cells per side")
        return side, None
    places = places_at(function, level)
    if grid not in (None, places.side):
        raise UserError(
            f"grid is {grid}, and the vectors at level {level} have {places.side} × {places.side} cells; leave it out"
        )
    return places.side, places


def edges(side: int, cells: int) -> list[int]:
    """Returns the borders of cells along a side, in pixels: cells + 1 numbers from 0 to `side`."""
    return [round(number * side / cells) for number in range(cells + 1)]


def spread_over_pixels(maps: Tensor, size: int) -> Tensor:
    """Returns maps (…, rows, columns) over pixels (…, size, size): each pixel has the value of its cell."""
    for dim in (-2, -1):
        border = torch.tensor(edges(size, maps.shape[dim]), device=maps.device)
        maps = maps.repeat_interleave(border.diff(), dim)
    return maps


def sum_over_cells(attribution: Tensor, side: int, places: Places | None) -> tuple[Tensor, float]:
    """Returns the sum of an attribution over each cell (side, side), and the sum of what has no cell, on the CPU.

    Args:
        attribution: (3, size, size) of pixels, or (vectors, channels).
        side: number of cells per side.
        places: cells of the vectors; None for pixels.
    """
    if places is None:
        size = attribution.shape[-1]
        number = torch.arange(side).repeat_interleave(torch.tensor(edges(size, side)).diff())
        cell_of = (number[:, None] * side + number).flatten()
        values = attribution.sum(0).flatten()
    else:
        cell_of, values = places.cell_of, attribution.sum(-1)
    values = values.detach().float().cpu()
    sums = torch.zeros(side * side + 1).index_add(0, cell_of % (side * side + 1), values)  # -1 is the last
    return sums[:-1].reshape(side, side), float(sums[-1])


class Masking:
    """Target function of masks (N, rows, columns): 1 shows a cell of the image, 0 the baseline. (N, targets), fp32.

    A mask that was computed before is not computed again.

    Args:
        function: function from versions of the image to values.
        grid: number of cells per side of the encoder's square; by default `DEFAULT_SIDE` at level `pixel`. At other
            levels the vectors have a grid of their own.
        level: what is replaced. At level `cell` and `prefix`, vectors are replaced by those of the baseline.
        baseline: image that stands for "nothing there".

    Raises:
        UserError: if the vectors of a level stand for no cells, or the grid does not fit.
    """

    def __init__(
        self,
        function: TargetFunction,
        grid: int | None = None,
        level: Level = "pixel",
        baseline: Baseline = "mean",
    ) -> None:
        self.function, self.level, self.baseline = function, level, baseline
        self.side, self._places = cells_at(function, grid, level)
        with torch.no_grad():
            self.inputs = function.at(level)
            """(1, …) the image."""
            self.baseline_inputs = baseline_inputs(function, baseline, level)
            """(1, …) the baseline."""
        self._known: dict[bytes, Tensor] = {}

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.side**2

    def versions(self, masks: Tensor) -> Tensor:
        """Returns the versions (N, …) of the image for masks (N, rows, columns)."""
        device = self.inputs.device
        masks = masks.to(device, torch.float32)
        if self._places is None:
            shown = spread_over_pixels(masks, self.function.size)[:, None]
        else:
            # A vector without a cell (a class token) stays the image's.
            cells = torch.cat([masks.flatten(1), masks.new_ones(len(masks), 1)], dim=1)
            shown = cells[:, self._places.cell_of.to(device)][..., None]
        return torch.where(shown > 0, self.inputs, self.baseline_inputs.to(self.inputs.dtype))

    @torch.no_grad()
    def __call__(self, masks: Tensor) -> Tensor:
        """Returns the values (N, targets) for masks (N, rows, columns) of 0 and 1, on the CPU."""
        masks = masks.detach().cpu().reshape(-1, self.side, self.side).to(torch.uint8)
        keys = [mask.numpy().tobytes() for mask in masks]
        new = {key: mask for key, mask in zip(keys, masks, strict=True) if key not in self._known}
        for start in range(0, len(new), IMAGES_PER_PASS):
            some = list(new)[start : start + IMAGES_PER_PASS]
            values = self.function(self.versions(torch.stack([new[key] for key in some])), self.level)
            self._known |= zip(some, values.cpu(), strict=True)
        return torch.stack([self._known[key] for key in keys])

    def ends(self) -> tuple[Tensor, Tensor]:
        """Returns the values (targets,) of the image and of the baseline."""
        value, at_baseline = self(
            torch.stack([torch.ones(self.side, self.side), torch.zeros(self.side, self.side)])
        )
        return value, at_baseline
