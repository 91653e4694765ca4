"""Conversations as `messages` of role and content, as in chat APIs and Hugging Face's chat format for vision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from frozenvl.data.records.record import Record
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import described, has_fields, whole_text
from frozenvl.data.sources.conversations import Conversation, Conversations
from frozenvl.data.sources.dialogue import Shown, Unusable, check_choices, dialogue, usable
from frozenvl.data.sources.llava_turns import MARK, key_of
from frozenvl.data.sources.questions import Part

FILES = ("images", "image")
"""Fields of a record that name its image files."""
PLACES = ("image", "url", "path", "image_url")
"""Fields of a content part that name its image file."""


class ChatMessages(Conversations):
    """Conversations as `messages`: files of chat APIs, Hugging Face's chat format for vision, LLaMA-Factory's.

    Each record is one example with all of its turns. The content of a message is a text, or a list of parts: `{"type":
    "text", "text": …}`, and `{"type": "image"}` or `{"type": "image_url"}` with the file in the part itself. Parts
    without a file, and `<image>` in texts, stand for the record's `images` in turn. Texts keep their line breaks. Of
    records with the same id, the second is `<id>#2`; a record without an id has its number in the file.

    Args:
        annotations: JSON list or JSON Lines with messages (role, content) of "user" and "assistant" in turn, after an
            optional "system"; and optionally id and images (a file name, or a list of these).
        images: folder that the image names start from; not needed if all conversations are text only.
        unusable: what to do with records that cannot be used, such as those that show more images than they name:
            "refuse" the file, naming all of them, or "leave out" and count them.
        part: conversations to use: "all", those to train on ("train") or the others ("ask"), such as for validation.
            All conversations about a photograph are in the same part, in every source.
        ask_share: fraction that belongs to "ask".

    Raises:
        UserError: if a file or the folder is missing, the layout is another one, messages do not alternate, or images
            are no files.
    """

    layout = "messages JSON"

    def __init__(
        self,
        annotations: str,
        images: str | None = None,
        unusable: Unusable = "refuse",
        part: Part = "all",
        ask_share: float = 0.5,
    ) -> None:
        check_choices(unusable, part, ask_share)
        super().__init__(annotations, images, unusable=unusable, part=part, ask_share=ask_share)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        return has_fields(content, "messages") and has_fields(content[0]["messages"], "role", "content")

    @classmethod
    def read(
        cls, file: RecordFile, unusable: Unusable = "refuse", part: Part = "all", ask_share: float = 0.5
    ) -> Iterator[Conversation]:
        """Yields the conversations of a file."""
        seen = Counter[str]()

        def conversation(number: int, row: Record) -> Conversation | None:
            key = key_of(file, row, number, seen)
            listed = row.files(next((field for field in FILES if field in row.data), FILES[0]))
            system, pairs = dialogue(row, "messages", "role")
            content = Content(Shown(listed))
            messages = [content.parts(message) for message, _ in pairs]
            replies = tuple(content.text(reply) for _, reply in pairs)
            whole = content.text(system) if system else ""
            if not pairs or not content.shown.fit(row):
                return None
            files = (*listed, *content.files)
            order = [part for message in messages for part in message if not isinstance(part, str)]
            places = {part: place for place, part in enumerate(dict.fromkeys(order))}
            return Conversation(
                id=key,
                files=tuple(files[part] for part in places),
                messages=[[part if isinstance(part, str) else places[part] for part in m] for m in messages],
                replies=replies,
                system=whole,
            )

        return usable(file, unusable, conversation, part, ask_share)


class Content:
    """Reads the contents of the messages of one record.

    Args:
        shown: images that the record names beside its messages.
    """

    def __init__(self, shown: Shown) -> None:
        self.shown = shown
        self.files: list[str] = []
        """Files that parts name themselves. Their indices follow those of the record's images."""

    def text(self, message: Record) -> str:
        """Returns the content of a message without images: a text, or a list of text parts."""
        parts = self.parts(message, shows=False)
        return "".join(part for part in parts if isinstance(part, str))

    def parts(self, message: Record, shows: bool = True) -> list[str | int]:
        """Returns the content of a message as texts and indices of images.

        Args:
            message: the message.
            shows: whether it may show images, as the user's do.
        """
        content = message.raw("content")
        if not isinstance(content, list):
            text = message.whole_text("content")
            return self.shown.marked(text, MARK) if shows else [text]
        made: list[str | int] = []
        for part in message.records("content"):
            made += self._part(part, shows)
        if made and isinstance(made[0], str):
            made[0] = made[0].lstrip()
        if made and isinstance(made[-1], str):
            made[-1] = made[-1].rstrip()
        made = [part for part in made if part != ""]
        if message.ok and not made:
            message.problem("'content' holds neither a text nor an image")
        return made

    def _part(self, part: Record, shows: bool) -> list[str | int]:
        kind = part.text("type")
        if kind == "text":
            text = part.raw("text")
            if not isinstance(text, str):
                part.problem(f"'text' is {described(text)}, not a text")
                return []
            # The ends of a part stay as they are: two texts may be parts of one sentence.
            kept = text.replace("\r\n", "\n")
            return [kept if kept.isascii() else kept.encode("utf-8", "replace").decode()]
        if kind not in ("image", "image_url"):
            if part.ok:
                part.problem(f"'type' is {kind[:40]!r}; known are text, image and image_url")
            return []
        if not shows:
            part.problem("is an image outside a question; only the user's messages show images")
            return []
        place: Any = next((part.raw(field) for field in PLACES if part.raw(field) is not None), None)
        if isinstance(place, dict):
            place = next((place[field] for field in ("url", "path") if place.get(field) is not None), None)
        if place is None:
            return [self.shown.next()]
        if reason := _no_file(place):
            part.problem(reason)
            return []
        self.files.append(place.removeprefix("file://").strip())
        return [len(self.shown.files) + len(self.files) - 1]


def _no_file(place: Any) -> str:
    """Returns why the place of an image is no file; empty if it is one."""
    if not isinstance(place, str) or not whole_text(place) or "\0" in place:
        return f"its image is {described(place)}, not the name of a file"
    if place.startswith("data:"):
        return "its image is inside the file, as base64; write it to a file first, and give the name of that"
    if place.startswith(("http://", "https://")):
        return f"its image is an address ({place[:60]}); download it first, and give the name of the file"
    return ""
