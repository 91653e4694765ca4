"""Base of the VQA sources: checks, the train/ask split by photograph, and the majority answer."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from frozenvl.data.records.folders import image_folder
from frozenvl.data.records.record import Record
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.sources.annotated import Annotated
from frozenvl.data.sources.coco_ids import coco_id, photograph_id
from frozenvl.prompt import Example, ImageFile
from frozenvl.util.errors import UserError

Part = Literal["all", "train", "ask"]


class Question(NamedTuple):
    """One question, as read from a data set."""

    id: str
    file: str
    """Image file, relative to the image folder."""
    text: str
    references: tuple[str, ...]
    answer: str
    kind: dict[str, str]
    photograph: str = ""
    """Data-set-independent id of the photograph, if the file name does not imply it."""
    scores: dict[str, float] | None = None
    """Soft scores: answer → score from 0 to 1; None if the data set has none."""
    choices: tuple[str, ...] = ()


class Questions(Annotated):
    """Base class of VQA sources, with one example per question. A subclass names its layout and reads its records.

    Args:
        path: annotation file.
        images: folder of the image files.
        part: photographs to use: "all", those to train on and take demonstrations from ("train") or the others
            ("ask"). A photograph is in the same part in every source.
        ask_share: fraction of the photographs that belong to "ask".
        options: arguments of the subclass's `read`.

    Raises:
        UserError: if a file or the folder is missing, the layout is another one, records cannot be used (all problems
            of the file are named at once), or the part is empty.
    """

    entry, entries = "question", "questions"

    @abstractmethod  # only subclasses can be built
    def __init__(self, path: str, images: str, part: Part, ask_share: float, **options: Any) -> None:
        check_part(part, ask_share)
        self.folder = image_folder(Path(images))
        self.rows = self.table(Path(path), Question, **options)
        self._kept: range | np.ndarray = range(len(self.rows))
        """Numbers of the rows that are used."""
        if part != "all":
            asked = np.fromiter(self._asked(ask_share), bool, len(self.rows))
            self._kept = np.flatnonzero(asked == (part == "ask"))
        if not len(self._kept):
            raise UserError(
                f"{path}: none of its {len(self.rows)} questions is in part {part!r}; change ask_share"
            )
        answered = (self.rows.sizes("answer") > 0)[self._kept]
        alike = answered.all() or not answered.any()
        self.targets_per_example = int(answered[0]) if alike else answered.astype(int).tolist()

    def _photographs(self) -> Iterator[tuple[str, str]]:
        """Yields the `photograph` of each row, empty if it is not known, and its image file."""
        last, found = "", ""
        for photograph, file in zip(self.rows.column("photograph"), self.rows.column("file"), strict=True):
            if not photograph and file != last:  # questions about an image often follow each other
                last, found = file, coco_id(file) or ""
            yield photograph or found, file

    def _asked(self, share: float) -> Iterator[bool]:
        """Yields for each row whether its photograph belongs to "ask"."""
        known: dict[str, bool] = {}
        for photograph, file in self._photographs():
            key = photograph or file
            if key not in known:
                known[key] = is_asked(key, share)
            yield known[key]

    @classmethod
    def note(cls, file: RecordFile, row: Question) -> None:
        if len(set(row.choices)) < len(row.choices):
            file.notes["questions with a choice that stands twice"] += 1

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, index: int) -> Example:
        row = Question(*self.rows[int(self._kept[index])])
        return Example(
            id=row.id,
            image=ImageFile(self.folder / self.located(row.file)),
            image_id=self._image_id(row.photograph or coco_id(row.file) or "", row.file),
            references=row.references,
            question=row.text,
            answer=row.answer,
            kind=row.kind,
            scores=row.scores or {},
            choices=tuple(row.choices),
        )

    def _image_id(self, photograph: str, file: str) -> str:
        return photograph or photograph_id(self.folder, self.located(file))

    def image_ids(self) -> list[str]:
        kept = set(self._kept.tolist()) if isinstance(self._kept, np.ndarray) else self._kept
        return [
            self._image_id(photograph, file)
            for row, (photograph, file) in enumerate(self._photographs())
            if row in kept
        ]


def check_part(part: str, ask_share: float) -> None:
    """Raises `UserError` if a part is not one of those known, or a share is none."""
    if part not in get_args(Part):
        raise UserError(f"unknown part {part!r}; choose one of {', '.join(get_args(Part))}")
    if not 0 < ask_share < 1:
        raise UserError(f"ask_share must lie between 0 and 1, not {ask_share}")


def in_part(photograph: str, part: Part, ask_share: float) -> bool:
    """Tells whether a photograph belongs to a part."""
    return part == "all" or is_asked(photograph, ask_share) == (part == "ask")


def is_asked(photograph: str, share: float) -> bool:
    """Tells whether a photograph belongs to "ask". A larger share includes the photographs of a smaller one."""
    digest = hashlib.sha256(photograph.encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def majority(answers: Sequence[str], preferred: str = "") -> str:
    """Returns the most frequent non-empty answer (on a tie `preferred`, else the first), or "" if there is none."""
    if preferred and 2 * answers.count(preferred) > len(answers):  # most questions: checked first, for speed
        return preferred
    counts = Counter(answer for answer in answers if answer)
    highest = max(counts.values(), default=0)
    tied = [answer for answer, count in counts.items() if count == highest]
    return preferred if preferred in tied else tied[0] if tied else ""


def image_name(pattern: str, row: Record, field: str) -> str:
    """Fills the pattern of an image file name with an id of a record. A whole number fills `{image_id:012d}`, too.

    Raises:
        UserError: if the pattern has no field for the id.
    """
    key = row.id(field)
    if not key:
        return ""
    try:
        name = _filled(pattern, field, key)
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        if key.isdecimal():
            raise UserError(f"image_name {pattern!r} cannot be filled with {field} {key} ({error})") from None
        row.problem(
            f"{field!r} {key!r} does not fill image_name {pattern!r}, which needs a number; give {{{field}}}"
        )
        return ""
    if name == pattern:
        raise UserError(f"image_name {pattern!r} names one image for all; it needs {{{field}}}")
    return name


@lru_cache(1 << 12)
def _filled(pattern: str, field: str, key: str) -> str:
    """Returns the name of an image file. Questions about an image often follow each other."""
    return pattern.format(**{field: _Key(key)})


class _Key(str):
    """An id that is formatted as a number where the format is one of numbers."""

    def __format__(self, how: str) -> str:
        return format(int(self), how) if how and self.isdecimal() else super().__format__(how)
