"""`Temporal`, the interface of temporal parts: how the frames of a video become prefix vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from frozenvl.model.mappers import Mapper
from frozenvl.model.part import Part, path_of
from frozenvl.model.views import Views
from frozenvl.util.errors import UserError


class Temporal(Part, ABC):
    """Base class of temporal parts. A subclass implements `views` and `forward`.

    A batch without videos never comes here: images have the mapper's vectors, bit for bit.
    """

    @property
    @abstractmethod
    def views(self) -> Views:
        """Rule by which a video becomes views, each of which takes the positions of one image."""

    def attach(self, mapper: Mapper) -> None:
        """Creates weights of the mapper's dimensions, once; none by default.

        Raises:
            UserError: if the mapper is of the wrong kind.
        """

    @abstractmethod
    def forward(self, mapper: Mapper, features: Tensor, views: Tensor, numbers: Tensor) -> Tensor:
        """Returns the prefix vectors of views.

        Args:
            mapper: the model's mapper.
            features: (N, tokens, channels) features of all images and frames.
            views: (M, F) index of each frame of each view, -1 where a view has fewer.
            numbers: (M, F) number of each frame in its video, -1 for images.

        Returns:
            (M, k, dim)
        """

    def identity(self) -> dict[str, Any]:
        return {"temporal": path_of(type(self))}


def check_frames(frames: int) -> int:
    """Returns a number of frames.

    Raises:
        UserError: if it is below 1.
    """
    if frames < 1:
        raise UserError(f"model.temporal: frames is {frames}; give the largest number of frames of a video")
    return frames


def for_videos(numbers: Tensor, of_videos: Tensor, of_images: Tensor) -> Tensor:
    """Returns the vectors (M, k, dim) of views: `of_videos` where frames are numbered (M, F), else `of_images`.

    Nothing here depends on the values of `numbers`, so that `frozenvl plan` can trace it.
    """
    return torch.where((numbers[:, 0] >= 0)[:, None, None], of_videos.to(of_images.dtype), of_images)
