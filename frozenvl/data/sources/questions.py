"""What the sources of questions about images share: a split by photograph, and the majority's answer."""

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
    """A question as a data set has it."""

    id: str
    file: str
    """The image's, below the image folder."""
    text: str
    references: tuple[str, ...]
    answer: str
    kind: dict[str, str]
    photograph: str = ""
    """What the photograph is called in every data set, where its file's name does not say so."""
    scores: dict[str, float] | None = None
    """Soft scores of the answers, where there are such."""
    choices: tuple[str, ...] = ()


class Questions(Source):
    """One example a question. A new source reads its files and hands over `Question`s.

    Args:
        path: the file that messages name.
        layout: what it should be laid out as.
        images: the folder that holds the image files.
        questions: all of them; read once.
        part: "all"; or the photographs to train on and take demonstrations from, "train"; or the others, "ask".
            A photograph is in the same part in every source.
        ask_share: share of the photographs in "ask".

    Raises:
        UserError: a missing folder, another layout, a question that stands twice or is empty, only empty answers, an
            empty part.
    """

    @abstractmethod  # a layout, no data set
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

        def kept() -> Iterator[tuple[Any, ...]]:
            for row in questions:
                if row.id in ids:
                    raise UserError(f"{path}: question {row.id} stands twice; remove one")
                if not row.text:
                    raise UserError(f"{path}: question {row.id} is empty; remove it")
                if row.references and not row.answer:
                    raise UserError(f"{path}: question {row.id} has only empty answers; remove it")
                ids.add(row.id)
                known = row.photograph or coco_id(row.file) or ""
                if part == "all" or is_asked(known or row.file, ask_share) == (part == "ask"):
                    targets.append(1 if row.answer else 0)
                    yield tuple(row._replace(photograph=known))

        with laid_out(path, layout):
            self.rows = Packed(kept())
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
    """Whether a photograph is in the part to ask; a smaller share's photographs are among a larger one's."""
    digest = hashlib.sha256(photograph.encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def majority(answers: Sequence[str], preferred: str = "") -> str:
    """The most frequent answer that is not empty; of several `preferred`, else the first. Empty if there is none."""
    counts = Counter(answer for answer in answers if answer)
    highest = max(counts.values(), default=0)
    most = [answer for answer, count in counts.items() if count == highest]
    return preferred if preferred in most else most[0] if most else ""


def image_name(pattern: str, **key: object) -> str:
    """An image's file name. Raises `UserError` where the pattern cannot be filled."""
    try:
        name = pattern.format(**key)
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"image_name {pattern!r} cannot be filled with {key} ({error})") from None
    if name == pattern:
        raise UserError(f"image_name {pattern!r} names one image for all; it needs {{{next(iter(key))}}}")
    return name


def labels(row: dict[str, Any], *names: str) -> dict[str, str]:
    """Those of a record's labels that it has."""
    return {name: str(row[name]) for name in names if row.get(name) not in (None, "")}
