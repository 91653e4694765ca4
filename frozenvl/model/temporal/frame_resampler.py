"""Frame resampler: the mapper's queries attend to the features of all frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from frozenvl.model.mappers import Mapper, Resampler
from frozenvl.model.temporal.frame_embedding import numbered
from frozenvl.model.temporal.temporal import Temporal, check_frames, for_videos
from frozenvl.model.views import Views
from frozenvl.util.errors import UserError


class FrameResampler(Temporal):
    """Lets the queries of a `Resampler` mapper attend to the cells of all frames, each with a vector for its number.

    A video takes k positions, as an image (Flamingo's Perceiver resampler). The vectors of frame numbers start at 0.

    Args:
        frames: largest number of frames of a video.
    """

    undecayed = ("embedding",)

    def __init__(self, frames: int = 8) -> None:
        super().__init__()
        self.frames = check_frames(frames)

    @property
    def views(self) -> Views:
        return Views(joint=True, max_frames=self.frames)

    def attach(self, mapper: Mapper) -> None:
        if not isinstance(mapper, Resampler):
            raise UserError(
                f"model.temporal: FrameResampler needs the mapper Resampler, whose queries it uses, not "
                f"{type(mapper).__name__}; change model.mapper, or take FrameEmbedding"
            )
        self.embedding = nn.Parameter(torch.zeros(self.frames, mapper.dim))

    def forward(self, mapper: Mapper, features: Tensor, views: Tensor, numbers: Tensor) -> Tensor:
        assert isinstance(mapper, Resampler)
        return for_videos(
            numbers, self._of_videos(mapper, features, views, numbers), mapper(features[views[:, 0]])
        )

    def _of_videos(self, mapper: Resampler, features: Tensor, views: Tensor, numbers: Tensor) -> Tensor:
        cells = mapper.inputs(features)[views.clamp(min=0)] + numbered(self.embedding, numbers)[:, :, None]
        missing = (views < 0).repeat_interleave(cells.shape[2], dim=1)
        return mapper.last(mapper.attend(cells.flatten(1, 2), missing))
