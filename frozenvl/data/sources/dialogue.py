"""Messages of a conversation in pairs of message and reply, the places of images in them, and unusable records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, get_args

from frozenvl.data.records.record import Record
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.sources.coco_ids import coco_id
from frozenvl.data.sources.conversations import Conversation
from frozenvl.data.sources.questions import Part, check_part, in_part
from frozenvl.util.errors import UserError

Unusable = Literal["refuse", "leave out"]
ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "system": "system",
    "developer": "system",
}
"""Name of a role in a file → its name in messages."""
SIDES = {"user": "question", "assistant": "answer"}


def check_choices(unusable: str, part: str, ask_share: float) -> None:
    """Raises `UserError` if one of these arguments is not one of those known."""
    check_part(part, ask_share)
    if unusable not in get_args(Unusable):
        raise UserError(f"unknown unusable {unusable!r}; choose one of {', '.join(get_args(Unusable))}")


def usable(
    file: RecordFile,
    unusable: Unusable,
    read: Callable[[int, Record], Conversation | None],
    part: Part = "all",
    ask_share: float = 0.5,
) -> Iterator[Conversation]:
    """Yields the conversations of a file.

    Args:
        file: the file.
        unusable: what to do with records that cannot be used: "refuse" the file, which names all of them, or "leave
            out" and count them.
        read: function from the number of a record and the record to its conversation; None if it has a problem.
        part: conversations to yield, by their first photograph; those without an image, by their id.
        ask_share: fraction that belongs to the part "ask".
    """
    file.remedy_of_records = " (or leave out such records with unusable: leave out)"
    note = ""
    for number, row in enumerate(file.records()):
        known = file.count
        made = read(number, row)
        if unusable == "leave out" and (reason := file.forgive(known)):
            note = note or f"records left out because they cannot be used (the first: {reason})"
            file.notes[note] += 1
        elif made is not None:
            first = made.files[0] if made.files else made.id
            if in_part(made.photograph or coco_id(first) or first, part, ask_share):
                yield made


def dialogue(row: Record, field: str, role: str) -> tuple[Record | None, list[tuple[Record, Record]]]:
    """Returns the system message of a conversation (None if it has none), and its (message, reply) pairs.

    Problems are noted, each once: an unknown role, a system message behind others, two messages of one role in a row,
    an answer in front of the first question or missing behind the last. There are no pairs then.

    Args:
        row: record of the conversation.
        field: field of the list of messages.
        role: field of a message that names its role.
    """
    messages = [*row.records(field)]
    roles = [ROLES.get(name := message.text(role), name) for message in messages]
    if not row.ok or not all(message.ok for message in messages):
        return None, []
    for message, name in zip(messages, roles, strict=True):
        if name not in ROLES.values():
            message.problem(f"{role!r} is {name[:40]!r}; known are {', '.join(ROLES)}")
            return None, []
    system = messages.pop(0) if roles[:1] == ["system"] else None
    said = roles[1:] if system else roles
    if "system" in said:
        messages[said.index("system")].problem(
            "is a system message behind another one; it has to be the first"
        )
        return None, []
    for place, (one, two) in enumerate(pairwise(said), 1):
        if one == two:
            messages[place].problem(f"is a second {SIDES[two]} in a row; questions and answers alternate")
            return None, []
    if said[:1] == ["assistant"]:
        messages[0].problem("is an answer, but a conversation begins with a question")
    elif not said or said[-1] == "user":
        row.problem(
            f"{field!r} ends with a question; each needs an answer" if said else f"{field!r} has no messages"
        )
    else:
        return system, list(zip(messages[::2], messages[1::2], strict=True))
    return None, []


class Shown:
    """Counts the images that the messages of a conversation show, in order.

    Args:
        files: image files of its record.
    """

    def __init__(self, files: Sequence[str]) -> None:
        self.files, self.count = files, 0

    def next(self) -> int:
        """Returns the index of the next image."""
        self.count += 1
        return self.count - 1

    def marked(self, text: str, mark: str) -> list[str | int]:
        """Returns a message as texts and indices of images, which stand where its text has a mark."""
        first, *others = text.split(mark)
        parts: list[str | int] = [first]
        for other in others:
            parts += [self.next(), other]
        return [part for part in parts if part != ""]

    def fit(self, row: Record) -> bool:
        """Tells whether all images of a record are shown, each once. Otherwise it is a problem of the record."""
        if row.ok and self.count != len(self.files):
            shown, named = (f"{n} image{'s' * (n != 1)}" for n in (self.count, len(self.files)))
            row.problem(f"shows {shown}, but names {named}")
        return row.ok
