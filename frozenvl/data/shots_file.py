"""Few-shot examples in a YAML file: images with questions and answers, or with captions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from frozenvl.prompt import Example, Image, ImageFile, StoredImage
from frozenvl.util.errors import UserError
from frozenvl.util.text_files import read_text

LAYOUT = "a list `shots`, each with image, answer and, unless it is a caption, question"


@dataclass(frozen=True)
class Shots:
    """Few-shot examples, in the order in which they stand in front of a question."""

    examples: tuple[Example, ...] = ()
    induction: str = ""
    """Task induction: text at the start of the prompt; empty for the wording's own."""


def read_shots(path: Path) -> Shots:
    """Reads few-shot examples. Images are named from the file's folder, or their bytes are in the file (`content`).

    Args:
        path: YAML file with `shots`, a list of (image, question, answer); `question` is left out for captions.

    Raises:
        UserError: if the file has another layout, or an image cannot be read.
    """
    shots = parse_shots(read_text(path), str(path), lambda name: ImageFile(path.parent / name))
    for example in shots.examples:
        example.image.read()
    return shots


def parse_shots(text: str, where: str, image_of: Callable[[str], Image]) -> Shots:
    """Reads few-shot examples from the text of such a file.

    Args:
        text: content of the file.
        where: name of the file, for messages.
        image_of: function that finds an image by its name, for images whose bytes are not in the file.

    Raises:
        UserError: if the text has another layout, or as `image_of` does.
    """
    try:
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # images take the other one seconds
        content = yaml.load(text, loader)
    except yaml.YAMLError as error:
        raise UserError(f"{where}: not YAML ({' '.join(str(error).split())})") from None
    rows = content.get("shots") if isinstance(content, dict) else None
    if not isinstance(rows, list) or content.keys() - {"shots", "induction"}:
        raise UserError(f"{where}: no file of few-shot examples; it needs {LAYOUT}")
    induction = content.get("induction") or ""
    if not isinstance(induction, str):
        raise UserError(f"{where}: `induction` is no text; put it in quotes")
    return Shots(tuple(_example(row, n, where, image_of) for n, row in enumerate(rows, 1)), induction)


def _example(row: Any, number: int, where: str, image_of: Callable[[str], Image]) -> Example:
    known = {"image", "content", "question", "answer"}
    if not isinstance(row, dict) or row.keys() - known or not {"image", "answer"} <= row.keys():
        raise UserError(f"{where}: shot {number} is not one; the file needs {LAYOUT}")
    texts = {key: row.get(key, "") for key in ("image", "question", "answer")}
    if wrong := [key for key, value in texts.items() if not isinstance(value, str)]:
        raise UserError(f"{where}: `{wrong[0]}` of shot {number} is no text; put it in quotes")
    data = row.get("content")
    if data is not None and not isinstance(data, bytes):
        raise UserError(f"{where}: `content` of shot {number} is not the bytes of an image (!!binary)")
    name = texts["image"]
    image = image_of(name) if data is None else stored(name, data)
    return Example(name, image, image.key, question=texts["question"], answer=texts["answer"])


def stored(name: str, data: bytes) -> StoredImage:
    """Returns an image whose encoded bytes are in memory."""
    return StoredImage(name, f"{name}#{hashlib.sha256(data).hexdigest()[:32]}", lambda: data)


def shots_text(examples: Sequence[Example], contents: Sequence[bytes], induction: str = "") -> str:
    """Returns the text of a file of few-shot examples that holds its images.

    Args:
        examples: examples, with an answer or a caption each.
        contents: bytes of each example's image.
        induction: text at the start of the prompt.
    """
    rows = [
        {"image": example.image.name}
        | ({"question": example.question} if example.question else {})
        | {"answer": example.targets[0], "content": content}
        for example, content in zip(examples, contents, strict=True)
    ]
    head = {"induction": induction} if induction else {}
    return yaml.safe_dump(head | {"shots": rows}, sort_keys=False, allow_unicode=True)
