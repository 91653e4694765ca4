"""Tables of captioned clips, such as WebVid's."""

from __future__ import annotations

from collections.abc import Iterator
from string import Formatter
from typing import Any

from frozenvl.data.records.csv_rows import csv_rows, header_of
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import one_line
from frozenvl.data.sources.captions import Captioned, by_image
from frozenvl.data.sources.video_captions import VideoCaptions
from frozenvl.util.errors import UserError
from frozenvl.video.sampling import Rule

WEBVID = "{page_dir}/{videoid}.mp4"
"""File of a clip of WebVid, as its downloader writes it."""


class VideoTable(VideoCaptions):
    """Captioned clips in a CSV or TSV table with a header, such as WebVid's (`results_10M_train.csv`).

    Rows of the same clip are one example. Its `id` is the file. Rows with an empty caption are left out and counted.

    Args:
        table: the table.
        videos: folder of the clips.
        file: pattern of a clip's file, with columns in braces; by default WebVid's.
        caption: column of the captions; by default WebVid's, `name`.
        sampling: rule that chooses the frames (`Sampling`).
        frames: number of frames; for the rule `fps`, the largest number.
        fps: frames per second, for the rule `fps`.

    Raises:
        UserError: if the table or the folder is missing, the sampling is not valid, the pattern has no column, or a
            column is missing.
    """

    layout = "a table of video clips"
    entry, entries = "video", "videos"

    def __init__(
        self,
        table: str,
        videos: str,
        file: str = WEBVID,
        caption: str = "name",
        sampling: Rule = "uniform",
        frames: int = 8,
        fps: float | None = None,
    ) -> None:
        super().__init__(table, videos, sampling, frames, fps, pattern=file, caption=caption)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        return isinstance(content, str) and {"videoid", "page_dir", "name"} <= {*header_of(content)}

    @classmethod
    def read(cls, file: RecordFile, pattern: str = WEBVID, caption: str = "name") -> Iterator[Captioned]:
        """Yields the clips of a table."""
        columns = columns_of(pattern)
        if not isinstance(file.content, str):
            raise file.refused("it is JSON")
        if missing := [name for name in (*columns, caption) if name not in header_of(file.content)]:
            raise file.refused(f"its header has no {missing[0]!r}; file and caption name the columns")

        def rows() -> Iterator[Captioned]:
            for number, row in csv_rows(file.path, file.content, (*columns, caption)):
                if empty := [name for name in columns if not row[name].strip()]:
                    file.problem(f"line {number}: {empty[0]!r} is empty")
                    continue
                name = pattern.format(**{column: row[column].strip() for column in columns})
                if text := one_line(row[caption]):
                    yield Captioned(name, name, (text,))
                else:
                    file.notes["rows without a caption left out"] += 1

        yield from by_image(file, rows())


def columns_of(pattern: str) -> list[str]:
    """Returns the columns in the braces of a pattern. Raises `UserError` if there are none."""
    try:
        columns = [name for _, name, _, _ in Formatter().parse(pattern) if name is not None]
    except ValueError:
        columns = []
    if not columns or not all(column.isidentifier() for column in columns):
        raise UserError(f"file {pattern!r} needs columns of the table in braces, such as {WEBVID}")
    return columns
