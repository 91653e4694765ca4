"""File formats of captions, questions and answers: COCO's, VQA v2's and predictions.jsonl."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json


def read_captions(path: Path) -> dict[str, str]:
    """Reads image id → caption from COCO's results format, [{"image_id", "caption"}], or a predictions.jsonl.

    Raises:
        UserError: if the file has another format, or two captions for one image.
    """
    rows = _list(path, read_json(path))
    return _by_id(path, [(_image(path, row), _first(path, row, "caption", "text")) for row in rows])


def read_references(path: Path) -> dict[str, list[str]]:
    """Reads image id → reference captions from COCO's annotations format or a predictions.jsonl.

    Raises:
        UserError: if the file has another format, or an image without captions.
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
    """Returns the image id of a row: `id` in a predictions.jsonl, else `image_id` (COCO's `id` is the caption's)."""
    return _first(path, row, "id" if isinstance(row, dict) and "text" in row else "image_id")


def read_answers(path: Path) -> dict[str, str]:
    """Reads question id → answer from VQA's results format, [{"question_id", "answer"}], or a predictions.jsonl.

    Raises:
        UserError: if the file has another format, or two answers to one question.
    """
    rows = _list(path, read_json(path))
    pairs = [(_first(path, row, "question_id", "id"), _first(path, row, "answer", "text")) for row in rows]
    return _by_id(path, pairs)


def read_vqa(questions: Path, annotations: Path) -> dict[str, dict[str, Any]]:
    """Reads VQA v2's questions and annotations: question id → `question`, `image_id`, `answers` and `groups`.

    `groups` holds `answer_type` and `question_type`, each empty if it is not given.

    Raises:
        UserError: if a file has another format, or questions and annotations do not match.
    """
    question_rows = {
        str(_first(questions, row, "question_id")): row
        for row in _list(questions, _first(questions, read_json(questions), "questions"))
    }
    annotated = {}
    for row in _list(annotations, _first(annotations, read_json(annotations), "annotations")):
        question = str(_first(annotations, row, "question_id"))
        if question not in question_rows:
            raise UserError(f"{annotations}: question {question} is not in {questions}")
        annotated[question] = {
            "question": str(_first(questions, question_rows[question], "question")),
            "image_id": str(_first(questions, question_rows[question], "image_id")),
            "answers": [
                str(_first(annotations, answer, "answer")) for answer in _first(annotations, row, "answers")
            ],
            "groups": {key: str(row.get(key, "")) for key in ("answer_type", "question_type")},
        }
    if missing := [question for question in question_rows if question not in annotated]:
        raise UserError(f"{questions}: {len(missing)} questions have no annotation (first: {missing[0]})")
    return annotated


def caption_results(captions: Mapping[str, str]) -> list[dict[str, Any]]:
    """Converts image id → caption to COCO's results format. Ids that are whole numbers become integers."""
    return [{"image_id": _number(image), "caption": text} for image, text in captions.items()]


def vqa_results(answers: Mapping[str, str]) -> list[dict[str, Any]]:
    """Converts question id → answer to VQA's results format. Ids that are whole numbers become integers."""
    return [{"question_id": _number(question), "answer": text} for question, text in answers.items()]


def _number(key: str) -> int | str:
    return int(key) if key.isdecimal() and str(int(key)) == key else key


def _list(path: Path, content: Any) -> list[Any]:
    if not isinstance(content, list):
        raise UserError(f"{path}: a list was expected, not {type(content).__name__}")
    return content


def _first(path: Path, row: Any, *keys: str) -> Any:
    """Returns the value of the first of `keys` that a row has."""
    for key in keys:
        if isinstance(row, dict) and key in row:
            return row[key]
    raise UserError(f"{path}: an entry has no {' or '.join(map(repr, keys))}: {json.dumps(row)[:80]}")


def _by_id(path: Path, pairs: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if str(key) in values:
            raise UserError(f"{path}: {key} stands there twice; keep one result each")
        values[str(key)] = value
    return values
