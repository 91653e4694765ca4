"""A folder of video clips, with or without captions in text files of the same name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from frozenvl.data.records.folders import image_folder
from frozenvl.data.records.values import one_line
from frozenvl.data.sources.coco_ids import photograph_id
from frozenvl.data.sources.packed import Packed
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError
from frozenvl.util.text_files import text_lines
from frozenvl.video.sampling import Rule, Sampling
from frozenvl.video.suffixes import CLIP_ENDINGS
from frozenvl.video.video import Video


class VideoFolder(Source):
    """All video files below a folder, sorted by path. A text file of the same name holds a caption in each line.

    Clips without a text file have no captions: they can be captioned, but not trained on. The name of a clip's topmost
    subfolder is its `label` in `kind`. Hidden files are skipped.

    Args:
        folder: folder of the clips, searched recursively.
        sampling: rule that chooses the frames (`Sampling`).
        frames: number of frames; for the rule `fps`, the largest number.
        fps: frames per second, for the rule `fps`.

    Raises:
        UserError: if the folder is missing or holds no clip, the sampling is not valid, or a text cannot be read.
    """

    layout = "a folder of video clips"

    def __init__(
        self, folder: str, sampling: Rule = "uniform", frames: int = 8, fps: float | None = None
    ) -> None:
        self.sampling, self.max_frames = Sampling(sampling, frames, fps), frames
        self.folder = image_folder(Path(folder), "a video")
        targets: list[int] = []
        self.rows = Packed(self._rows(targets))
        if not targets:
            from frozenvl.data.detect import hint

            raise UserError(
                f"{self.folder}: holds no video ({hint(self.folder, ' '.join(sorted(CLIP_ENDINGS)))})"
            )
        self.targets_per_example = targets if len(set(targets)) > 1 else targets[0]

    def _rows(self, targets: list[int]) -> Iterator[tuple[str, tuple[str, ...]]]:
        for file in sorted(files_below(self.folder)):
            text = (self.folder / file).with_suffix(".txt")
            captions = tuple(filter(None, map(one_line, text_lines(text)))) if text.is_file() else ()
            if not captions:
                self.notes["videos without a caption"] += 1
            targets.append(len(captions))
            yield file, captions

    @classmethod
    def reads(cls, path: Path) -> bool:
        return path.is_dir() and some_clip(path)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Example:
        """Returns the clip at `index`. Its `id` is its path below the folder."""
        file, captions = self.rows[index]
        label, slash, _ = file.partition("/")
        return Example(
            id=file,
            image=Video(self.folder / file, self.sampling),
            image_id=photograph_id(self.folder, file),
            references=captions,
            kind={"label": label} if slash else {},
        )

    def image_ids(self) -> list[str]:
        return [photograph_id(self.folder, file) for file, _ in self.rows]


def files_below(folder: Path) -> Iterator[str]:
    """Yields the video files below a folder, as paths relative to it. Hidden files are skipped."""
    for place, below, names in os.walk(folder):
        below[:] = [name for name in below if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in CLIP_ENDINGS:
                yield (Path(place) / name).relative_to(folder).as_posix()


def some_clip(folder: Path) -> bool:
    """Tells whether a folder, or one of its subfolders, directly holds a video file."""
    places = (folder, *(each for each in folder.iterdir() if each.is_dir()))
    return any(file.suffix.lower() in CLIP_ENDINGS for place in places for file in place.iterdir())
