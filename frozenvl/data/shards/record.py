"""An example as JSON: how packed shards carry it."""

from __future__ import annotations

from typing import Any

from frozenvl.prompt import Example, Image


def as_record(example: Example) -> dict[str, Any]:
    """All that an example says, its image apart."""
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


def from_record(record: Any, image: Image) -> Example:
    """The example that a record tells of.

    Raises:
        ValueError: it is no such record.
    """
    try:
        references, kind = tuple(record["references"]), dict(record["kind"])
        scores = {str(answer): float(score) for answer, score in record.get("scores", {}).items()}
        choices = tuple(record.get("choices", ()))
        single = [record[key] for key in ("id", "image_id", "question", "answer")]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ValueError("not an example's record") from None
    if not all(isinstance(text, str) for text in (*single, *references, *choices, *kind, *kind.values())):
        raise ValueError("not an example's record: not all of it is text")
    return Example(single[0], image, single[1], references, single[2], single[3], kind, scores, choices)
