"""Base of the VQA sources: checks, the train/ask split by photograph, and the majority answer."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from frozenvl.data.sources.coco_ids import coco_id, photograph_id
from frozenvl.data.sources.packed import Packed
from frozenvl.data.sources.records import image_folder, laid_out
from frozenvl.data.sources.source import Source
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


class Questions(Source):
    """Base class of VQA sources, with one example per question. A subclass parses its files into `Question`s.

    Args:
        path: annotation file, for error lines.
        layout: name of the expected layout, for error lines.
        images: folder of the image files.
        questions: all questions, iterated once.
        part: photographs to use: "all", those to train on and take demonstrations from ("train") or the others
            ("ask"). A photograph is in the same part in every source.
        ask_share: fraction of the photographs that belong to "ask".

    Raises:
        UserError: if the folder is missing, the layout is another one, a question is repeated or empty or has only
            empty answers, or the part is empty.
    """

    @abstractmethod  # only subclasses can be built
    def __init__(
        self,
        path: Path,
        layout: str,
        images: str,
        questions: Iterable[Question],
        part: Part,
        ask_share: float,
    ) -> None:
        if part not in get_args(Part):
            raise UserError(f"unknown part {part!r}; choose one of {', '.join(get_args(Part))}")
        if not 0 < ask_share < 1:
            raise UserError(f"ask_share must lie between 0 and 1, not {ask_share}")
        self.folder = image_folder(Path(images))
        ids: set[str] = set()
        targets: list[int] = []

        def rows_of_part() -> Iterator[tuple[Any, ...]]:
            for row in questions:
                if row.id in ids:
                    raise UserError(f"{path}: question {row.id} stands twice; remove one")
                if not row.text:
                    raise UserError(f"{path}: question {row.id} is empty; remove it")
                if row.references and not row.answer:
                    raise UserError(f"{path}: question {row.id} has only empty answers; remove it")
                ids.add(row.id)
                photograph = row.photograph or coco_id(row.file) or ""
                if part == "all" or is_asked(photograph or row.file, ask_share) == (part == "ask"):
                    targets.append(1 if row.answer else 0)
                    yield tuple(row._replace(photograph=photograph))

        with laid_out(path, layout):
            self.rows = Packed(rows_of_part())
        if not targets:
            advice = f"none of its {len(ids)} is in part {part!r}; change ask_share" if ids else "lists none"
            raise UserError(f"{path}: no questions: {advice}")
        self.targets_per_example = targets if len(set(targets)) > 1 else targets[0]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Example:
        row = Question(*self.rows[index])
        return Example(
            id=row.id,
            image=ImageFile(self.folder / row.file),
            image_id=self._image_id(row),
            references=row.references,
            question=row.text,
            answer=row.answer,
            kind=row.kind,
            scores=row.scores or {},
            choices=tuple(row.choices),
        )

    def _image_id(self, row: Question) -> str:
        return row.photograph or photograph_id(self.folder, row.file)

    def image_ids(self) -> list[str]:
        return [self._image_id(Question(*row)) for row in self.rows]


def is_asked(photograph: str, share: float) -> bool:
    """Tells whether a photograph belongs to "ask". A larger share includes the photographs of a smaller one."""
    digest = hashlib.sha256(photograph.encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def majority(answers: Sequence[str], preferred: str = "") -> str:
    """Returns the most frequent non-empty answer (on a tie `preferred`, else the first), or "" if there is none."""
    counts = Counter(answer for answer in answers if answer)
    highest = max(counts.values(), default=0)
    tied = [answer for answer, count in counts.items() if count == highest]
    return preferred if preferred in tied else tied[0] if tied else ""


def image_name(pattern: str, **key: object) -> str:
    """Fills the pattern of an image file name. Raises `UserError` if it cannot be filled."""
    try:
        name = pattern.format(**key)
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"image_name {pattern!r} cannot be filled with {key} ({error})") from None
    if name == pattern:
        raise UserError(f"image_name {pattern!r} names one image for all; it needs {{{next(iter(key))}}}")
    return name


def labels(row: dict[str, Any], *names: str) -> dict[str, str]:
    """Returns those of the named labels that the record has."""
    return {name: str(row[name]) for name in names if row.get(name) not in (None, "")}
