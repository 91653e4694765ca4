"""WebDataset tars of video clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from frozenvl.data.shards.keys import TEXT_KEY, VIDEO_KEY
from frozenvl.data.sources.shards import Lines, Shards, TarImage, kinds_in
from frozenvl.prompt import Image
from frozenvl.video.sampling import Rule, Sampling
from frozenvl.video.video import Video


class VideoShards(Shards):
    """WebDataset tars of clips, local or remote: each sample is a clip (`.mp4`) and its caption, as for `Shards`.

    video2dataset and `frozenvl data pack` write such tars. A clip is read from its tar when its frames are needed.

    Args:
        shards: folder, glob, brace pattern, or a list of these.
        index: index file; by default beside the tars, or in the project's cache. It is made for one `video_key` and
            `text_key`.
        window: number of shards whose samples are mixed in training.
        cache_gb: disk space for cached remote shards, in GB.
        storage_options: fsspec options, such as {"anon": true}.
        video_key: names of the clip, separated by `;`; the first that a sample has is used.
        text_key: names of the text, separated by `;`; the first that is not empty is used.
        lines: how a text of several lines is read: "joined" as one caption, "captions" as one caption a line.
        sampling: rule that chooses the frames (`Sampling`).
        frames: number of frames; for the rule `fps`, the largest number.
        fps: frames per second, for the rule `fps`.

    Raises:
        UserError: if the sampling is not valid, or the tars cannot be used (`Shards`).
    """

    layout = "WebDataset tars of videos"

    def __init__(
        self,
        shards: str | list[str],
        index: str | None = None,
        window: int = 4,
        cache_gb: float = 50,
        storage_options: dict[str, Any] | None = None,
        video_key: str = VIDEO_KEY,
        text_key: str = TEXT_KEY,
        lines: Lines = "joined",
        sampling: Rule = "uniform",
        frames: int = 8,
        fps: float | None = None,
    ) -> None:
        self.sampling, self.max_frames = Sampling(sampling, frames, fps), frames
        super().__init__(shards, index, window, cache_gb, storage_options, video_key, text_key, lines)

    @classmethod
    def reads(cls, path: Path) -> bool:
        return "video" in kinds_in(path)

    def image(self, member: TarImage) -> Image:
        return Video(member, self.sampling)
