"""Views: what takes an image's positions in a prompt. An image is one, a video is one for each frame or one in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from frozenvl.prompt import Image
from frozenvl.util.errors import UserError


@dataclass(frozen=True)
class View:
    """What takes the positions of one image: an image, a frame of a video, or all frames of one."""

    frames: tuple[Image, ...]
    """The image, or the frames in order."""
    first: int = -1
    """Number of the first frame in its video, from 0; -1 if frames are not numbered, as those of an image."""

    @property
    def key(self) -> str:
        """Identifier, unique within a run: an image's own, or the frames' with their place."""
        keys = "+".join(frame.key for frame in self.frames)
        return keys if self.first < 0 else f"{keys} from frame {self.first}"


@dataclass(frozen=True)
class Views:
    """Rule by which a model sees a video. By default its frames are images in a row.

    Args:
        numbered: whether a frame knows its number.
        joint: whether all frames of a video are one view.
        max_frames: largest number of frames of a video; None for any.
    """

    numbered: bool = False
    joint: bool = False
    max_frames: int | None = None

    def of(self, image: Image) -> list[View]:
        """Returns the views of an image or a video. A video of one frame is an image.

        Raises:
            UserError: if the video has too many frames.
            UnreadableImage: if the frames cannot be found.
        """
        frames = image.frames
        if len(frames) == 1 or not (self.numbered or self.joint):
            return [View((frame,)) for frame in frames]
        if self.max_frames is not None and len(frames) > self.max_frames:
            raise UserError(
                f"{image.name}: has {len(frames)} frames, model.temporal knows {self.max_frames}; sample fewer, or set "
                f"its `frames` to {len(frames)}"
            )
        if self.joint:
            return [View(frames, 0)]
        return [View((frame,), number) for number, frame in enumerate(frames)]

    def most(self, image: Image) -> int:
        """Returns the largest number of views of an image or a video, without reading anything."""
        return 1 if self.joint else image.max_frames


def images_of(views: Sequence[View]) -> dict[Image, int]:
    """Returns the different images of views, in order: image → index."""
    return {image: i for i, image in enumerate(dict.fromkeys(image for v in views for image in v.frames))}


def indices(views: Sequence[View], images: Mapping[Image, int]) -> tuple[Tensor, Tensor]:
    """Returns the image and the number of each frame of M views with up to F frames.

    Args:
        views: views.
        images: index of each of their images.

    Returns:
        (M, F) index of each image, and (M, F) number of each frame in its video. Both are -1 where a view has fewer
        frames; numbers are -1 for images, too.
    """
    most = max((len(view.frames) for view in views), default=0)
    pad = lambda row: row + [-1] * (most - len(row))
    of_image = [pad([images[frame] for frame in view.frames]) for view in views]
    numbers = [
        pad([view.first + i if view.first >= 0 else -1 for i in range(len(view.frames))]) for view in views
    ]
    as_rows = lambda rows: torch.tensor(rows, dtype=torch.long).reshape(len(views), most)
    return as_rows(of_image), as_rows(numbers)
