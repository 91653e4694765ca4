"""What a public layout of captions holds of an example, and whether that is all of it."""

from __future__ import annotations

from typing import Any

from frozenvl.data.records.values import as_id, one_line
from frozenvl.data.shards.record import as_record
from frozenvl.data.sources.coco_ids import content_id
from frozenvl.prompt import Example, ImageFile


def public_id(example: Example, number: int) -> str:
    """Returns the id of an example as an annotation file can hold it."""
    return as_id(one_line(example.id)) or f"example {number}"


def public_texts(example: Example) -> list[str]:
    """Returns the texts to train on, each on one line, without empty ones."""
    return [line for line in map(one_line, example.targets) if line]


def record_of(example: Example, image_id: str | None, always: bool = False) -> dict[str, Any] | None:
    """Returns the record of an example; None if id, image and captions are all of it.

    The `image_id` of a record is empty where the reader has to make it of the place or the content of the image, as the
    source did: the place is a new one, and examples of the same image have to agree.

    Args:
        example: the example.
        image_id: `image_id` that the name of its file tells; None if it tells none.
        always: whether the layout needs the record in any case.
    """
    captions = list(example.references)
    others = (example.question, example.answer, example.kind, example.scores, example.choices, example.turns)
    plain = captions and not any(others) and public_texts(example) == captions
    made = image_id is None and is_made(example)
    if (
        not always
        and plain
        and public_id(example, 0) == example.id
        and (made or example.image_id == image_id)
    ):
        return None
    return as_record(example) | ({"image_id": ""} if made else {})


def is_made(example: Example) -> bool:
    """Tells whether an `image_id` is made of the place, the name or the content of the image."""
    image, image_id = example.image, example.image_id
    path = image.path.absolute().as_posix() if isinstance(image, ImageFile) else ""
    if f"/{path}".endswith(f"/{image_id}") or image_id in (image.name, image.name.rpartition(".")[0]):
        return True
    return image_id.startswith("image/") and image_id == content_id(image)
