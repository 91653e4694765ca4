"""Multi30k: captions of Flickr30k's images in several languages, as parallel text files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from frozenvl.data.detect import hint
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import one_line
from frozenvl.data.sources.caption_rows import image_key
from frozenvl.data.sources.captions import Captioned, Captions, by_image
from frozenvl.util.errors import UserError
from frozenvl.util.text_files import text_lines

_NUMBER = re.compile(r"#\d+$")
"""Number of the caption after an image file, as in `COCO_val2014_000000398076.jpg#657409`."""


class Multi30kCaptions(Captions):
    """Captions and image files in parallel text files: line n of each belongs to the same image.

    Multi30k publishes such files (github.com/multi30k/dataset): `train.de` with `image_splits/train.txt`, and five
    captions of each image in `train.1.de` … `train.5.de`. Lines of the same image are one example. Its `id` is the
    image file, or COCO's number.

    Args:
        captions: text file with a caption in each line, or several such files.
        names: text file with the image file of each line; a `#` and a number after it are ignored.
        images: folder of the image files.

    Raises:
        UserError: if a file or the folder is missing, the files have different numbers of lines, or a line is empty.
    """

    layout = "Multi30k's text files"

    def __init__(self, captions: str | list[str], names: str, images: str) -> None:
        files = [captions] if isinstance(captions, str) else captions
        for file in (names, *files):
            if advice := hint(Path(file), ""):
                raise UserError(f"{file}: not lines of text alone; {advice}")
        lines = {file: text_lines(Path(file)) for file in (names, *files)}
        if counts := [
            f"{file} has {len(rows):,}" for file, rows in lines.items() if len(rows) != len(lines[names])
        ]:
            raise UserError(
                f"{names} has {len(lines[names]):,} lines, but {', '.join(counts)}; give files of one set"
            )
        super().__init__(
            names, images, content=lines[names], captions=[(file, lines[file]) for file in files]
        )

    @classmethod
    def read(cls, file: RecordFile, captions: Sequence[tuple[str, list[str]]] = ()) -> Iterator[Captioned]:
        """Yields the images of a file of names, with their captions from other files: (file, lines)."""
        return by_image(file, _rows(file, captions))


def _rows(file: RecordFile, captions: Sequence[tuple[str, list[str]]]) -> Iterator[Captioned]:
    for index, line in enumerate(file.content):
        name = _NUMBER.sub("", line.strip())
        texts = [one_line(lines[index]) for _, lines in captions]
        if not name:
            file.problem(f"line {index + 1} is empty")
        for (path, _), text in zip(captions, texts, strict=True):
            if not text:
                file.problem(f"{path}: line {index + 1} is empty")
        yield Captioned(image_key(name), name, tuple(texts))
