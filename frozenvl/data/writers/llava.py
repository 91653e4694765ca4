"""Writes conversations in LLaVA's layout: a data set (`conversations.json` and `images/`), or a file of one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from frozenvl.data.records.values import whole_text
from frozenvl.data.shards.record import RECORD, as_record
from frozenvl.data.sources.coco_ids import coco_id
from frozenvl.data.sources.llava_turns import MARK
from frozenvl.data.writers.image_files import ImageFiles
from frozenvl.data.writers.public import is_made
from frozenvl.data.writers.writer import Writer
from frozenvl.prompt import Example, Image, Turn
from frozenvl.util.errors import UserError
from frozenvl.util.files import write_atomically


class LlavaWriter(Writer):
    """LLaVA's conversations, with any number of images. What the layout has no field for is in the field `frozenvl`."""

    copies_images = several_images = True

    def __init__(self, folder: Path, link: bool, first: Example) -> None:
        self.images: ImageFiles = ImageFiles(folder / "images", link)
        self.file = (folder / "conversations.json").open("w", encoding="utf-8")
        self.file.write("[")
        self.count = 0

    def add(self, number: int, key: str, example: Example, file: str, data: bytes) -> None:
        if not example.turns:
            raise UserError(
                f"example {example.id} is no conversation, which is what this format holds; Joined makes conversations "
                "of questions"
            )
        row = as_row(
            key, example.turns, example.system, [self.images.name(image) for image in example.images]
        )
        if not self._is_plain(example, key, file):
            made = "image" not in row or is_made(example)
            row[RECORD] = as_record(example) | ({"image_id": ""} if made else {})
        self.file.write(("\n" if not self.count else ",\n") + json.dumps(row, ensure_ascii=True))
        self.count += 1

    def _is_plain(self, example: Example, key: str, file: str) -> bool:
        """Tells whether the layout's own fields are all of an example."""
        texts = [part for turn in example.turns for part in turn.message if isinstance(part, str)]
        whole = [*(turn.reply for turn in example.turns), *([example.system] if example.system else [])]
        whole += [
            "".join(part if isinstance(part, str) else MARK for part in t.message) for t in example.turns
        ]
        shown = [part for turn in example.turns for part in turn.message if isinstance(part, Image)]
        return (
            key == example.id
            and (
                not file or (is_made(example) if coco_id(file) is None else example.image_id == coco_id(file))
            )
            and not example.kind
            and len(shown) == len({*shown})
            and all(text == whole_text(text) != "" for text in whole)
            and not any(MARK in text for text in texts)
            and all(
                (turn.id, turn.choices, turn.relevance) == (f"{key}/{place}", (), ())
                for place, turn in enumerate(example.turns)
            )
        )

    def finish(self) -> None:
        self.file.write("\n]\n")
        self.file.close()

    @classmethod
    def reader(cls, folder: Path) -> list[str]:
        files = ["--annotations", f"{folder / 'conversations.json'}", "--images", f"{folder / 'images'}"]
        return ["LlavaConversations", *files]


def as_row(key: str, turns: Sequence[Turn], system: str, names: Sequence[str | None]) -> dict[str, Any]:
    """Returns the record of a conversation.

    Args:
        key: id of the conversation.
        turns: messages and replies.
        system: system message; empty if there is none.
        names: names of the images, in the order in which they are shown.
    """
    said = [{"from": "system", "value": system}] if system else []
    for turn in turns:
        message = "".join(MARK if isinstance(part, Image) else str(part) for part in turn.message)
        said += [{"from": "human", "value": message}, {"from": "gpt", "value": turn.reply}]
    image = {"image": names[0] if len(names) == 1 else [*names]} if names else {}
    return {"id": key, **image, "conversations": said}


def write_conversation(path: Path, turns: Sequence[Turn], system: str = "") -> None:
    """Writes a conversation as a JSON list of one record, which `LlavaConversations` reads.

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
    parts = [part for turn in turns for part in turn.message]
    if any(MARK in part for part in parts if isinstance(part, str)):
        raise UserError(f"{path}: a message spells {MARK}, which stands for an image there")
    folder = path.absolute().parent
    files = [Path(part.key).absolute() for part in parts if isinstance(part, Image)]
    names = [str(file.relative_to(folder) if file.is_relative_to(folder) else file) for file in files]
    row = as_row(path.stem, turns, system, names)
    write_atomically(path, json.dumps([row], indent=2, ensure_ascii=False) + "\n")
