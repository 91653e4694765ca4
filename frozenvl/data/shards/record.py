"""Examples as JSON records, the format of packed shards."""

from __future__ import annotations

from typing import Any

from frozenvl.prompt import Example, Image

RECORD = "frozenvl"
"""Name of the field or column with the record of an example, in packed and converted data sets."""


def as_record(example: Example) -> dict[str, Any]:
    """Returns all fields of an example except its image as JSON values."""
    return {
        "id": example.id,
        "image_id": example.image_id,
        "references": list(example.references),
        "question": example.question,
        "answer": example.answer,
        "kind": dict(example.kind),
        "targets": list(example.targets),
        "scores": dict(example.scores),
        "choices": list(example.choices),
    }


def from_record(record: Any, image: Image, image_id: str = "") -> Example:
    """Makes an example from its record and its image.

    Args:
        record: record of an example.
        image: image of the example.
        image_id: `image_id` for a record in which it is empty.

    Raises:
        ValueError: if `record` is not a record of an example.
    """
    try:
        references, kind = tuple(record["references"]), dict(record["kind"])
        scores = {str(answer): float(score) for answer, score in record.get("scores", {}).items()}
        choices = tuple(record.get("choices", ()))
        key, own_id, question, answer = [record[k] for k in ("id", "image_id", "question", "answer")]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ValueError("not an example's record") from None
    texts = (key, own_id, question, answer, *references, *choices, *kind, *kind.values())
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("not an example's record: not all of it is text")
    return Example(key, image, own_id or image_id, references, question, answer, kind, scores, choices)
