"""Custom objective: the last hidden state of a text without its image is close to the prefix of the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from frozenvl.model.batch import Batch
from frozenvl.model.forward import Forward
from frozenvl.objectives import Objective
from frozenvl.prompt import Sample


class Alignment(Objective):
    """Mean squared distance between a projection of a text's last hidden state and the mean of its image's vectors.

    Args:
        weight: factor of this objective in the loss.
    """

    def attach(self, model: Any) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.projection = nn.Linear(model.language.dim, model.language.dim)

    def rows(self, sample: Sample) -> Sequence[Sample]:
        """Returns the sample, for its image, and its target as a prompt without the image."""
        return sample, Sample(f"{sample.id}/text", (sample.target,))

    def count(self, batch: Batch) -> int:
        """Returns the number of pairs."""
        return len(batch) // 2

    def total(self, run: Forward) -> Tensor:
        ends = torch.zeros(len(run.batch), self.projection.in_features, device=run.prefix.device)
        for batch, hidden in run.hidden():
            ends = ends.index_copy(0, batch.index, hidden[batch.lengths.cumsum(0) - 1].to(ends.dtype))
        seen = run.batch.image_of[::2].max(1).values
        return (self.projection(ends[1::2]) - run.prefix[seen].mean(1)).pow(2).mean(1).sum()


class Pixels(Alignment):
    """Alignment that needs pixels instead of cached features."""

    needs = "pixels"

    def total(self, run: Forward) -> Tensor:
        assert run.batch.stage == "pixels"
        return super().total(run)
