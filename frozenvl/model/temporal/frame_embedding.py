"""Frame embedding: a learned vector for each frame number."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from frozenvl.model.mappers import Mapper
from frozenvl.model.temporal.temporal import Temporal, check_frames
from frozenvl.model.views import Views


class FrameEmbedding(Temporal):
    """Adds a learned vector for its number to each of a frame's k vectors (GIT). A video takes k positions a frame.

    The vectors start at 0: an untrained one changes nothing.

    Args:
        frames: largest number of frames of a video.
    """

    undecayed = ("embedding",)

    def __init__(self, frames: int = 8) -> None:
        super().__init__()
        self.frames = check_frames(frames)

    @property
    def views(self) -> Views:
        return Views(numbered=True, max_frames=self.frames)

    def attach(self, mapper: Mapper) -> None:
        self.embedding = nn.Parameter(torch.zeros(self.frames, mapper.dim))

    def forward(self, mapper: Mapper, features: Tensor, views: Tensor, numbers: Tensor) -> Tensor:
        return mapper(features)[views[:, 0]] + numbered(self.embedding, numbers)


def numbered(embedding: Tensor, numbers: Tensor) -> Tensor:
    """Returns the vector (…, dim) of each frame number (…) from an embedding (frames, dim); zeros for images (-1)."""
    return embedding[numbers.clamp(min=0)] * (numbers >= 0)[..., None]
