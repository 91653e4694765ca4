"""Folders in which each image has its captions in a text file of the same name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

from frozenvl.data.records.problems import Problems
from frozenvl.data.records.values import MISSING, described, one_line
from frozenvl.data.sources.coco_ids import photograph_id
from frozenvl.data.sources.folder import ENDINGS, ImageFolder
from frozenvl.data.sources.packed import Packed
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example, ImageFile
from frozenvl.util.errors import UserError
from frozenvl.util.text_files import read_text

Lines = Literal["captions", "joined"]
"""How a text of several lines is read: each line as a caption, or all lines as one caption."""
CAPTION_FIELDS = ("caption", "captions")


class ImageTextFiles(Source):
    """Images with a text file of the same name beside them: `1.jpg` with `1.txt`, or with the `caption` in `1.json`.

    This is what img2dataset's output format `files` writes (`00000/000000000.jpg`, `.txt` and `.json`), and a common
    layout of one's own images. Images without a text, or with an empty one, are left out and counted, and so are texts
    without an image.

    Args:
        folder: folder of the images and texts, searched recursively.
        lines: how a `.txt` of several lines is read: each line as a caption ("captions"), or all as one ("joined").
            It has to be given if there is such a text.

    Raises:
        UserError: if the folder is missing, no image has a text, or texts cannot be used. All problems are named at
            once.
    """

    layout = "images with text files"

    def __init__(self, folder: str, lines: Lines | None = None) -> None:
        if lines is not None and lines not in get_args(Lines):
            raise UserError(f"lines is {lines!r}; choose one of {', '.join(get_args(Lines))}")
        images = ImageFolder(folder)
        self.folder, self.lines = images.folder, lines
        targets: list[int] = []
        problems = Problems(self.folder)
        self.rows = Packed(self._rows(images, targets, problems))
        problems.check()
        if not targets:
            from frozenvl.data.detect import hint

            advice = hint(self.folder)
            raise UserError(
                f"{self.folder}: no image has a .txt or .json of the same name with its caption; {advice}"
            )
        self.targets_per_example = targets if len(set(targets)) > 1 else targets[0]

    def _rows(
        self, images: ImageFolder, targets: list[int], problems: Problems
    ) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        stems: set[str] = set()
        for file in images.files:
            stem = file.rpartition(".")[0]
            if stem in stems:
                problems.problem(
                    f"{file}: another image has the same name without its suffix, and so the same text"
                )
            stems.add(stem)
            if captions := self._captions(stem, problems):
                targets.append(len(captions))
                yield stem, file, captions
            else:
                self.notes["images without a text left out"] += 1
        texts = (file.relative_to(self.folder).with_suffix("") for file in self.folder.rglob("*.txt"))
        if alone := len({text.as_posix() for text in texts} - stems):
            self.notes["texts without an image left out"] = alone

    def _captions(self, stem: str, problems: Problems) -> tuple[str, ...]:
        """Returns the captions of an image; none if it has no text, or an empty one."""
        for name, read in ((f"{stem}.txt", self._of_lines), (f"{stem}.json", self._of_json)):
            path = self.folder / name
            try:
                if path.is_file() and (captions := read(name, read_text(path), problems)):
                    return captions
            except UserError as error:
                problems.problem(str(error))
        return ()

    def _of_lines(self, name: str, text: str, problems: Problems) -> tuple[str, ...]:
        found = tuple(filter(None, map(one_line, text.replace("\r", "\n").split("\n"))))
        if len(found) > 1 and self.lines is None:
            problems.problem(
                f"{name}: has {len(found)} lines; choose --lines captions (each is a caption) or --lines joined (all "
                "are one)"
            )
        return found if self.lines == "captions" or len(found) < 2 else (" ".join(found),)

    def _of_json(self, name: str, text: str, problems: Problems) -> tuple[str, ...]:
        try:
            data: Any = json.loads(text)
        except (ValueError, RecursionError) as error:
            problems.problem(f"{name}: not valid JSON ({error})")
            return ()
        if not isinstance(data, dict):
            problems.problem(f"{name}: is {described(data)}, not an object with a caption")
            return ()
        field = next((field for field in CAPTION_FIELDS if field in data), "")
        value = data.get(field, MISSING)
        if value is MISSING or value is None:
            return ()
        values = value if isinstance(value, list) else [value]
        wrong = [
            each for each in values if not isinstance(each, str) or (values is value and not each.strip())
        ]
        if wrong:
            holds = "holds" if values is value else "is"
            problems.problem(f"{name}: {field!r} {holds} {described(wrong[0])}, not a text")
            return ()
        return tuple(filter(None, map(one_line, values)))

    @classmethod
    def reads(cls, path: Path) -> bool:
        """Tells whether some image in a folder, or in one of its subfolders, has a text file of the same name."""
        if not path.is_dir():
            return False
        places = (path, *(folder for folder in path.iterdir() if folder.is_dir()))
        files = [file for place in places for file in place.iterdir()]
        texts = {file.with_suffix("") for file in files if file.suffix in (".txt", ".json")}
        return any(file.suffix.lower() in ENDINGS and file.with_suffix("") in texts for file in files)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Example:
        """Returns the image at `index`. Its `id` is its path below the folder, without the suffix."""
        key, file, captions = self.rows[index]
        return Example(
            id=key,
            image=ImageFile(self.folder / file),
            image_id=photograph_id(self.folder, file),
            references=captions,
        )

    def image_ids(self) -> list[str]:
        return [photograph_id(self.folder, file) for _, file, _ in self.rows]
