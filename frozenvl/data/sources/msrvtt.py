"""MSR-VTT: 10,000 clips of the web with 20 captions each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from frozenvl.data.records.csv_rows import csv_rows
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import has_fields, one_line
from frozenvl.data.sources.captions import Captioned
from frozenvl.data.sources.video_captions import VideoCaptions
from frozenvl.util.errors import UserError
from frozenvl.util.text_files import read_text, text_lines
from frozenvl.video.sampling import Rule


class MSRVTT(VideoCaptions):
    """Captions of MSR-VTT's clips (`train_val_videodatainfo.json`, `test_videodatainfo.json`, `MSRVTT_data.json`).

    The `id` of a clip is its `video_id`, its file `<video_id>.mp4` or another video suffix. `category` is a label, by
    which scores are broken down.

    Args:
        annotations: JSON file with `videos` (video_id, split, category) and `sentences` (video_id, caption).
        videos: folder of the clips.
        split: split to read: train, validate or test, or several joined by `+`. Without effect if `names` is given.
        names: text file with a `video_id` in each line, or CSV file with the column `video_id`: the clips to read,
            whatever their split. With a column `sentence`, that is a clip's only caption, as in the test set 1k-A
            (`MSRVTT_JSFUSION_test.csv`).
        sampling: rule that chooses the frames (`Sampling`).
        frames: number of frames; for the rule `fps`, the largest number.
        fps: frames per second, for the rule `fps`.

    Raises:
        UserError: if a file or the folder is missing, the sampling is not valid, the layout is another one, no clip is
            in the split, or a clip has no caption.
    """

    layout = "MSR-VTT's JSON"
    entry, entries = "video", "videos"

    def __init__(
        self,
        annotations: str,
        videos: str,
        split: str = "train",
        names: str | None = None,
        sampling: Rule = "uniform",
        frames: int = 8,
        fps: float | None = None,
    ) -> None:
        super().__init__(annotations, videos, sampling, frames, fps, split=split, names=names)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        if not isinstance(content, dict) or not has_fields(content.get("videos"), "video_id"):
            return False
        return has_fields(content.get("sentences"), "video_id", "caption")

    @classmethod
    def read(cls, file: RecordFile, split: str = "", names: str | None = None) -> Iterator[Captioned]:
        """Yields the clips of a split, or those that are named; all clips without either."""
        captions: dict[str, list[str]] = {}
        for sentence in file.records("sentences"):
            captions.setdefault(sentence.id("video_id"), []).extend(sentence.texts("caption"))
        splits, chosen, found = split.split("+"), named(Path(names)) if names else None, 0
        for video in file.records("videos"):
            key, own = video.id("video_id"), video.text("split", optional=True)
            told = captions.pop(key, [])
            if (key not in chosen) if chosen is not None else (split and own not in splits):
                file.notes["videos of other splits"] += 1
                continue
            found += 1
            if chosen and chosen[key]:
                told = [chosen[key]]
            if video.ok and not told:
                video.problem("has no caption")
            yield Captioned(key, key, tuple(told), video.labels("category"))
        if captions:
            file.problem(
                f"captions of {len(captions):,} videos that it does not list, such as {next(iter(captions))}"
            )
        if not found:
            file.check()
            where = f"in {names}" if names else f"in split {split!r}"
            raise UserError(f"{file.path}: no video is {where}; choose another")
        if chosen and found < len(chosen):
            raise UserError(
                f"{names}: names {len(chosen):,} videos, and {file.path} has {found:,} of them; choose another"
            )


def named(path: Path) -> dict[str, str]:
    """Returns the video ids in a text file or a table, each with its sentence in the table, or an empty text.

    Raises:
        UserError: if the file cannot be read.
    """
    lines = text_lines(path)
    if not lines or "," not in lines[0]:
        return {line.strip(): "" for line in lines if line.strip() not in ("", "video_id")}
    rows = csv_rows(path, read_text(path), ("video_id",))
    return {row["video_id"].strip(): one_line(row.get("sentence") or "") for _, row in rows}
