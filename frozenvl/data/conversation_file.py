"""Conversations of `frozenvl chat` as files, in LLaVA's layout."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from frozenvl.prompt import NO_IMAGE, Example, Image, ImageFile, Prompt, PromptPart, Turn, joined
from frozenvl.util.errors import UserError
from frozenvl.util.files import write_atomically

MARK = "<image>"
"""Text that stands for an image in a message."""


def write_conversation(path: Path, turns: Sequence[Turn], system: str = "") -> None:
    """Writes a conversation as a JSON list of one record: id, image (a name, or a list of several), conversations.

    Images inside the file's folder are named from there, others by their whole path.

    Args:
        path: output file, `.json`; an existing file is replaced.
        turns: messages and replies.
        system: system message; empty if there is none.

    Raises:
        UserError: if the name does not end with `.json`, or a text spells `<image>`.
    """
    if path.suffix != ".json":
        raise UserError(f"{path}: a conversation is saved as JSON; choose a name that ends with .json")
    folder = path.absolute().parent
    names: list[str] = []
    messages = [{"from": "system", "value": system}] if system else []
    for turn in turns:
        texts = []
        for part in turn.message:
            if isinstance(part, Image):
                names.append(_name(part, folder))
            elif MARK in str(part):
                raise UserError(f"{path}: a message spells {MARK}, which stands for an image there")
            texts.append(MARK if isinstance(part, Image) else str(part))
        messages.append({"from": "human", "value": _lines(texts)})
        messages.append({"from": "gpt", "value": turn.reply})
    record: dict[str, Any] = {"id": path.stem, "conversations": messages}
    if names:
        record["image"] = names[0] if len(names) == 1 else names
    write_atomically(path, json.dumps([record], indent=2, ensure_ascii=False) + "\n")


def _name(image: Image, folder: Path) -> str:
    where = Path(image.key).absolute()
    return str(where.relative_to(folder) if where.is_relative_to(folder) else where)


def _lines(texts: list[str]) -> str:
    """Returns the texts of a message. An image at its beginning has a line of its own, as in LLaVA's files."""
    if texts[0] == MARK and len(texts) > 1 and not texts[1].startswith("\n"):
        return f"{MARK}\n{''.join(texts[1:])}"
    return "".join(texts)


def read_conversations(path: Path) -> list[Example]:
    """Reads the conversations of a JSON list, as examples with turns. Image names start from the file's folder.

    Raises:
        UserError: if the file is not such a list, messages of human and gpt do not alternate, a message has another
            number of `<image>` than its record has images, or an image cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; name a JSON file with conversations") from None
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error})") from None
    if not isinstance(content, list) or not content:
        raise UserError(f"{path}: not a list of conversations in LLaVA's layout (id, image, conversations)")
    return [_example(record, number, path) for number, record in enumerate(content)]


def _example(record: Any, number: int, path: Path) -> Example:
    where = f"{path}: record {number}"
    try:
        pairs = [(str(message["from"]), str(message["value"])) for message in record["conversations"]]
        names = record.get("image", [])
    except (TypeError, KeyError, AttributeError):
        raise UserError(f"{where} has no conversations (messages with from and value)") from None
    system = pairs.pop(0)[1] if pairs and pairs[0][0] == "system" else ""
    if not pairs or [kind for kind, _ in pairs] != ["human", "gpt"] * (len(pairs) // 2):
        raise UserError(f"{where}: its messages are not of human and gpt in turn")
    images = [ImageFile(path.parent / name) for name in ([names] if isinstance(names, str) else names)]
    for image in images:
        image.read()  # before a model reads the texts
    left = iter(images)
    texts = [text for _, text in pairs]
    if sum(text.count(MARK) for text in texts[::2]) != len(images):
        raise UserError(f"{where} has {len(images)} images, and another number of {MARK} in its messages")
    turns = tuple(
        Turn(_message(human, left), reply) for human, reply in zip(texts[::2], texts[1::2], strict=True)
    )
    first = images[0] if images else NO_IMAGE
    return Example(str(record.get("id", number)), first, first.name, turns=turns, system=system)


def _message(text: str, images: Any) -> Prompt:
    """Returns a message with its images; the line break between an image and the text beside it is left out."""
    parts: list[PromptPart] = []
    for number, piece in enumerate(text.split(MARK)):
        if number:
            parts.append(next(images))
        parts.append(piece.removeprefix("\n") if number == 1 and not parts[0] else piece)
    return joined(parts)
