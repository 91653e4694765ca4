"""Examples as JSON records, the format of packed shards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from frozenvl.prompt import NO_IMAGE, Box, Example, Image, Turn
from frozenvl.util.errors import UserError

RECORD = "frozenvl"
"""Name of the field or column with the record of an example, in packed and converted data sets."""


TURN_FIELDS = ("reply", "id", "choices", "correct", "relevance")
"""Fields of a turn that are plain values."""


def as_record(example: Example) -> dict[str, Any]:
    """Returns all fields of an example except its image as JSON values. An image in a message is its index."""
    turns = [_turn_record(turn, example.images) for turn in example.turns]
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
        **({"turns": turns, "system": example.system} if turns else {}),
        **({"boxes": [list(box) for box in example.boxes]} if example.boxes else {}),
    }


def _turn_record(turn: Turn, images: Sequence[Image]) -> dict[str, Any]:
    """Returns a turn as JSON values. An image in its message is its index."""
    message = [images.index(part) if isinstance(part, Image) else str(part) for part in turn.message]
    return {"message": message} | {name: getattr(turn, name) for name in TURN_FIELDS}


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
        turns, system = (
            tuple(_turn(turn, image) for turn in record.get("turns", ())),
            record.get("system", ""),
        )
        boxes = tuple(_box(box) for box in record.get("boxes", ()))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ValueError("not an example's record") from None
    texts = (key, own_id, question, answer, system, *references, *choices, *kind, *kind.values())
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("not an example's record: not all of it is text")
    if turns and not any(part is image for turn in turns for part in turn.message):
        image = NO_IMAGE
    own = references, question, answer, kind, scores, choices, turns, system, boxes
    return Example(key, image, own_id or image_id, *own)


def _box(record: Any) -> Box:
    left, top, right, bottom = map(float, record)
    return left, top, right, bottom


def _turn(record: Any, image: Image) -> Turn:
    """Makes a turn from its record. Raises `ValueError` if it is none, or shows another image than `image`."""
    parts = [image if part == 0 and type(part) is int else part for part in record["message"]]
    reply, key, choices, relevance = (record[name] for name in ("reply", "id", "choices", "relevance"))
    texts = [part for part in parts if part is not image] + [reply, key, *choices]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("not a turn: not all of it is text")
    return Turn(
        tuple(parts), reply, key, tuple(choices), int(record["correct"]), tuple(map(float, relevance))
    )


def check_one_image(example: Example) -> None:
    """Raises `UserError` if an example shows several images, of which its record keeps only one."""
    if len(example.images) > 1:
        raise UserError(
            f"example {example.id} shows {len(example.images)} images, and this format holds one for each example; "
            "convert such conversations with --format llava"
        )
