"""Files of captions, questions and answers as the data sets and their evaluation servers lay them out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json


def read_captions(path: Path) -> dict[str, str]:
    """Image id → caption, from COCO's results layout, [{"image_id", "caption"}], or a predictions.jsonl.

    Raises:
        UserError: another layout, an image with two captions.
    """
    rows = _list(path, read_json(path))
    return _by_id(path, [(_image(path, row), _first(path, row, "caption", "text")) for row in rows])


def read_references(path: Path) -> dict[str, list[str]]:
    """Image id → reference captions, from COCO's annotations layout or a predictions.jsonl.

    Raises:
        UserError: another layout, an image without captions.
    """
    content = read_json(path)
    if isinstance(content, list):
        pairs = [(_image(path, row), _first(path, row, "references")) for row in content]
        return {image: [str(text) for text in texts] for image, texts in _by_id(path, pairs).items()}
    if not isinstance(content, dict) or "annotations" not in content:
        raise UserError(f'{path}: not COCO captions: needs {{"images": …, "annotations": …}}')
    references: dict[str, list[str]] = {
        str(_first(path, image, "id")): [] for image in content.get("images", [])
    }
    for row in _list(path, content["annotations"]):
        references.setdefault(str(_first(path, row, "image_id")), []).append(
            str(_first(path, row, "caption"))
        )
    if bare := [image for image, texts in references.items() if not texts]:
        raise UserError(
            f"{path}: {len(bare)} images have no caption (first: {bare[0]}); remove them from `images`"
        )
    return references


def _image(path: Path, row: Any) -> Any:
    """The id of a caption's image, as results name it; there, `id` may be that of the caption itself."""
    return _first(path, row, "id" if isinstance(row, dict) and "text" in row else "image_id")


def read_answers(path: Path) -> dict[str, str]:
    """Question id → answer, from VQA's results layout, [{"question_id", "answer"}], or a predictions.jsonl.

    Raises:
        UserError: another layout, a question with two answers.
    """
    rows = _list(path, read_json(path))
    pairs = [(_first(path, row, "question_id", "id"), _first(path, row, "answer", "text")) for row in rows]
    return _by_id(path, pairs)


def read_vqa(questions: Path, annotations: Path) -> dict[str, dict[str, Any]]:
    """Question id → its `question`, `image_id`, `answers` and, where given, `answer_type` and `question_type`.

    Raises:
        UserError: another layout than VQA v2's, or annotations and questions that do not belong together.
    """
    asked = {
        str(_first(questions, row, "question_id")): row
        for row in _list(questions, _first(questions, read_json(questions), "questions"))
    }
    known = {}
    for row in _list(annotations, _first(annotations, read_json(annotations), "annotations")):
        question = str(_first(annotations, row, "question_id"))
        if question not in asked:
            raise UserError(f"{annotations}: question {question} is not in {questions}")
        known[question] = {
            "question": str(_first(questions, asked[question], "question")),
            "image_id": str(_first(questions, asked[question], "image_id")),
            "answers": [
                str(_first(annotations, answer, "answer")) for answer in _first(annotations, row, "answers")
            ],
            "groups": {key: str(row.get(key, "")) for key in ("answer_type", "question_type")},
        }
    if missing := [question for question in asked if question not in known]:
        raise UserError(f"{questions}: {len(missing)} questions have no annotation (first: {missing[0]})")
    return known


def caption_results(captions: Mapping[str, str]) -> list[dict[str, Any]]:
    """COCO's results layout; ids that are whole numbers are written as such."""
    return [{"image_id": _number(image), "caption": text} for image, text in captions.items()]


def vqa_results(answers: Mapping[str, str]) -> list[dict[str, Any]]:
    """VQA's results layout."""
    return [{"question_id": _number(question), "answer": text} for question, text in answers.items()]


def _number(key: str) -> int | str:
    return int(key) if key.isdecimal() and str(int(key)) == key else key


def _list(path: Path, content: Any) -> list[Any]:
    if not isinstance(content, list):
        raise UserError(f"{path}: a list was expected, not {type(content).__name__}")
    return content


def _first(path: Path, row: Any, *keys: str) -> Any:
    for key in keys:
        if isinstance(row, dict) and key in row:
            return row[key]
    raise UserError(f"{path}: an entry has no {' or '.join(map(repr, keys))}: {json.dumps(row)[:80]}")


def _by_id(path: Path, pairs: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for key, value in pairs:
        if str(key) in known:
            raise UserError(f"{path}: {key} stands there twice; keep one result each")
        known[str(key)] = value
    return known
