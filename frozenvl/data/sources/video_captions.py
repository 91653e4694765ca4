"""Base of the sources of captioned video clips that have an annotation file."""

from __future__ import annotations

import os
from abc import abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any

from frozenvl.data.records.folders import image_folder
from frozenvl.data.sources.captions import Captions
from frozenvl.prompt import Image
from frozenvl.video.sampling import Rule, Sampling
from frozenvl.video.suffixes import CLIP_ENDINGS
from frozenvl.video.video import Video


class VideoCaptions(Captions):
    """Base class of sources of captioned clips: one example per clip, with all its captions.

    Args:
        path: annotation file.
        videos: folder of the clips.
        sampling: rule that chooses the frames (`Sampling`).
        frames: number of frames; for the rule `fps`, the largest number.
        fps: frames per second, for the rule `fps`.
        options: arguments of the subclass's `read`.

    Raises:
        UserError: if a file or the folder is missing, the sampling is not valid, the layout is another one, or records
            cannot be used.
    """

    @abstractmethod  # only subclasses can be built
    def __init__(
        self,
        path: str,
        videos: str,
        sampling: Rule = "uniform",
        frames: int = 8,
        fps: float | None = None,
        **options: Any,
    ) -> None:
        self.sampling, self.max_frames = Sampling(sampling, frames, fps), frames
        super().__init__(path, str(image_folder(Path(videos), "a video")), **options)

    def image(self, path: Path) -> Image:
        return Video(path, self.sampling)

    @cached_property
    def _files(self) -> dict[str, str]:
        """Name of a clip without its suffix → file, for the clips directly in the folder."""
        names = sorted(entry.name for entry in os.scandir(self.folder))
        return {
            Path(name).stem: name for name in reversed(names) if Path(name).suffix.lower() in CLIP_ENDINGS
        }

    def located(self, file: str) -> str:
        """Returns the file of a clip, which annotations may name without its suffix."""
        if Path(file).suffix.lower() in CLIP_ENDINGS:
            return file
        return self._files.get(file, f"{file}.mp4")
