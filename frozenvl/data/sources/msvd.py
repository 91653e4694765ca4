"""MSVD (Microsoft Research Video Description Corpus): 1,970 short clips with about 40 captions each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from frozenvl.data.records.csv_rows import csv_rows, header_of
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import one_line
from frozenvl.data.sources.captions import Captioned, by_image
from frozenvl.data.sources.video_captions import VideoCaptions
from frozenvl.util.errors import UserError
from frozenvl.util.text_files import text_lines
from frozenvl.video.sampling import Rule

COLUMNS = ("VideoID", "Start", "End", "Language", "Description")
"""Columns of the corpus's table that are read."""
LINE = re.compile(r"(\S+_\d+_\d+)\s+(\S.*)")
"""Pattern of a line of `AllVideoDescriptions.txt`: clip and caption."""


class MSVD(VideoCaptions):
    """Captions of MSVD's clips (`AllVideoDescriptions.txt`, or the table `MSR Video Description Corpus.csv`).

    The name of a clip is the id of its video with its start and end in seconds, `-4wsuPCjDBc_5_15`, and its file
    `<name>.avi` or another video suffix. Of the table, which has captions in many languages, one is read.

    Args:
        annotations: text file with a clip and a caption in each line, or the table of the corpus.
        videos: folder of the clips.
        names: text file with the clips to read, one a line (`train_list.txt`, `val_list.txt`, `test_list.txt`); by
            default all.
        language: language of the captions to read, as the table names it.
        sampling: rule that chooses the frames (`Sampling`).
        frames: number of frames; for the rule `fps`, the largest number.
        fps: frames per second, for the rule `fps`.

    Raises:
        UserError: if a file or the folder is missing, the sampling is not valid, the layout is another one, or a named
            clip has no caption.
    """

    layout = "MSVD's captions"
    entry, entries = "video", "videos"

    def __init__(
        self,
        annotations: str,
        videos: str,
        names: str | None = None,
        language: str = "English",
        sampling: Rule = "uniform",
        frames: int = 8,
        fps: float | None = None,
    ) -> None:
        super().__init__(annotations, videos, sampling, frames, fps, names=names, language=language)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        if not isinstance(content, str):
            return False
        lines = [line for line in content[:10_000].splitlines() if line.strip() and line[0] != "#"]
        return bool(lines) and ({*COLUMNS} <= {*header_of(lines[0])} or LINE.fullmatch(lines[0]) is not None)

    @classmethod
    def read(
        cls, file: RecordFile, names: str | None = None, language: str = "English"
    ) -> Iterator[Captioned]:
        """Yields the clips that are named, all of them without names."""
        if not isinstance(file.content, str):
            raise file.refused("it is JSON")
        chosen = None
        if names:
            chosen = dict.fromkeys(
                Path(line.strip()).stem for line in text_lines(Path(names)) if line.strip()
            )
        is_table = {*COLUMNS} <= {*header_of(file.content)}
        rows = table_rows(file, language) if is_table else text_rows(file)
        found: set[str] = set()

        def kept() -> Iterator[Captioned]:
            for name, caption in rows:
                if chosen is not None and name not in chosen:
                    file.notes["captions of other videos"] += 1
                    continue
                found.add(name)
                yield Captioned(name, name, (caption,))

        yield from by_image(file, kept())
        if chosen and (missing := [name for name in chosen if name not in found]):
            raise UserError(
                f"{names}: {len(missing):,} of its {len(chosen):,} clips have no caption in {file.path}, such as "
                f"{missing[0]}"
            )


def text_rows(file: RecordFile) -> Iterator[tuple[str, str]]:
    """Yields (clip, caption) of each line of a text file. Lines that begin with `#` are comments."""
    lines = file.content.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        if match := LINE.fullmatch(line.strip()):
            yield match[1], one_line(match[2])
        elif number == 1:
            raise file.refused("its first line is no clip with a caption")
        else:
            file.problem(f"line {number} ({line.strip()[:40]!r}) is no clip with a caption")


def table_rows(file: RecordFile, language: str) -> Iterator[tuple[str, str]]:
    """Yields (clip, caption) of each row of the corpus's table in one language."""
    for number, row in csv_rows(file.path, file.content, COLUMNS):
        name = "_".join(row[column].strip() for column in COLUMNS[:3])
        if row["Language"].strip() != language:
            file.notes["captions in other languages"] += 1
        elif not LINE.fullmatch(f"{name} x"):
            file.problem(f"line {number}: {name!r} is no name of a clip")
        elif caption := one_line(row["Description"]):
            yield name, caption
        else:
            file.notes["captions that are empty"] += 1
