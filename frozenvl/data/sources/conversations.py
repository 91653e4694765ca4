"""Base of the sources of conversations: one example for each conversation, with all of its turns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from frozenvl.data.records.folders import image_folder
from frozenvl.data.records.record import Record
from frozenvl.data.shards.record import RECORD, from_record
from frozenvl.data.sources.annotated import Annotated
from frozenvl.data.sources.coco_ids import photograph_id
from frozenvl.prompt import NO_IMAGE, BlackImage, Example, ImageFile, Turn, joined
from frozenvl.util.errors import UserError


class Conversation(NamedTuple):
    """One conversation, as read from a data set."""

    id: str
    files: tuple[str, ...]
    """Image files, relative to the image folder, in the order in which they are shown."""
    messages: Any
    """Messages: lists of texts and of indices of `files`."""
    replies: tuple[str, ...]
    """Reply to each message. The last one is empty in test sets."""
    ids: tuple[str, ...] = ()
    """Id of each turn; () to number them from 0, as `ID/0`."""
    system: str = ""
    photograph: str = ""
    """Data-set-independent id of the first photograph, if its file name does not imply it."""
    kind: dict[str, str] = {}  # noqa: RUF012 - a NamedTuple, which nobody changes
    """Labels by which scores are broken down."""
    choices: Any = None
    """Candidate replies of each turn; None if the data set has none."""
    correct: Any = None
    """Index of the true reply among the candidates of each turn; None if it is not known."""
    relevance: Any = None
    """Relevance of the candidates of each turn; None if nobody judged it."""


class Conversations(Annotated):
    """Base class of sources of conversations. A subclass names its layout and reads a file's records.

    Args:
        path: annotation file.
        images: folder of the image files; None if no conversation shows one.
        options: arguments of the subclass's `read`.

    Raises:
        UserError: if a file or the folder is missing, the layout is another one, or records cannot be used. All
            problems of the file are named at once.
    """

    entry, entries, streams = "conversation", "conversations", True

    @abstractmethod  # only subclasses can be built
    def __init__(self, path: str, images: str | None, **options: Any) -> None:
        self.folder = Path() if images is None else image_folder(Path(images))
        self.rows = self.table(Path(path), Conversation, **options)
        if images is None and any(self.rows.column("files")):
            raise UserError(
                f"{path}: its conversations show images; give the folder of the image files (images)"
            )

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Example:
        row = Conversation(*self.rows[index])
        images = [ImageFile(self.folder / self.located(file)) for file in row.files]
        turns = tuple(_turn(row, place, images) for place in range(len(row.replies)))
        ids = self.photographs_of(row.id, row.files[:1], row.photograph)
        shown = (part for turn in turns for part in turn.message if isinstance(part, ImageFile))
        return Example(
            id=row.id,
            image=next(shown, NO_IMAGE),
            image_id=ids[0] if ids else _text_id(row.id),
            kind=row.kind,
            turns=turns,
            system=row.system,
        )

    def photographs_of(self, key: str, files: Sequence[str], photograph: str) -> list[str]:
        """Returns the `image_id` of each image of a conversation."""
        ids = [photograph_id(self.folder, self.located(file)) for file in files]
        if photograph:
            ids[:1] = [photograph]
        return ids

    def image_ids(self) -> list[str]:
        keys, photographs = self.rows.column("id"), self._photographs(1)
        return [ids[0] if ids else _text_id(key) for key, ids in zip(keys, photographs, strict=True)]

    def all_image_ids(self) -> list[tuple[str, ...]]:
        return [tuple(ids) for ids in self._photographs(None)]

    def _photographs(self, most: int | None) -> Iterator[list[str]]:
        """Yields the `image_id` of the first images of each conversation; of all for None."""
        columns = map(self.rows.column, ("id", "files", "photograph"))
        for key, files, photograph in zip(*columns, strict=True):
            yield self.photographs_of(key, files[:most], photograph)


def recorded(row: Record, files: Sequence[str]) -> Conversation | None:
    """Makes a conversation from the record that `frozenvl data convert` wrote; None, and a problem, if it is none."""
    record = row.raw(RECORD)
    try:
        example = from_record(
            record | {"turns": [turn | {"message": []} for turn in record["turns"]]}, BlackImage()
        )
        messages = [[*turn["message"]] for turn in record["turns"]]
        parts = [part for message in messages for part in message]
        known = all(isinstance(part, str) or part in range(len(files)) for part in parts)
    except (ValueError, TypeError, KeyError):
        known = False
    if not known or not messages:
        row.problem(f"{RECORD!r} is not the record of a conversation about its images")
        return None
    turns = example.turns
    return Conversation(
        id=example.id,
        files=tuple(files),
        messages=messages,
        replies=tuple(turn.reply for turn in turns),
        ids=tuple(turn.id for turn in turns),
        system=example.system,
        photograph=example.image_id if files else "",
        kind=example.kind,
        choices=[turn.choices for turn in turns],
        correct=[turn.correct for turn in turns],
        relevance=[turn.relevance for turn in turns],
    )


def _text_id(key: str) -> str:
    """Returns the `image_id` of a conversation without an image, which no other one has."""
    return f"text {key.replace('/', ':')}"


def _turn(row: Conversation, place: int, images: Sequence[ImageFile]) -> Turn:
    """Makes the turn at a place of a conversation."""
    message = joined(images[part] if isinstance(part, int) else part for part in row.messages[place])
    choices = row.choices[place] if row.choices else None
    relevance = row.relevance[place] if row.relevance else None
    return Turn(
        message,
        row.replies[place],
        id=row.ids[place] if row.ids else f"{row.id}/{place}",
        choices=tuple(choices or ()),
        correct=row.correct[place] if row.correct else -1,
        relevance=tuple(relevance or ()),
    )
