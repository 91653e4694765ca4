"""SugarCrepe: captions of COCO's photographs, each with a fluent foil in which one thing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.sources.pairs import Pair, Pairs


class SugarCrepePairs(Pairs):
    """SugarCrepe's captions and foils, read from a published file of one category, or an object of several.

    The label `category` is the file's name without suffix (`add_att`, `replace_obj` …), or the key in the object.

    Args:
        annotations: JSON object: id → filename, caption, negative_caption; or category → such an object.
        images: folder of COCO's photographs (val2017).

    Raises:
        UserError: if the file or the folder is missing, or the layout is another one.
    """

    layout = "SugarCrepe's JSON"

    def __init__(self, annotations: str, images: str) -> None:
        super().__init__(annotations, images)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        return _is_item(_first(content)) or _is_item(_first(_first(content)))

    @classmethod
    def read(cls, file: RecordFile) -> Iterator[Pair]:
        """Yields the items of a file."""
        several = not _is_item(_first(file.content)) and isinstance(_first(_first(file.content)), dict)
        name = file.path.name.partition(".")[0]
        for category in file.content if several else [name]:
            for key, row in file.by_key(category if several else None):
                yield Pair(
                    id=f"{category}/{key}",
                    file=row.file("filename"),
                    caption=row.text("caption"),
                    foils=(row.text("negative_caption"),),
                    kind={"category": category},
                )


def _first(content: Any) -> Any:
    return next(iter(content.values()), None) if isinstance(content, dict) else None


def _is_item(value: Any) -> bool:
    return isinstance(value, dict) and "negative_caption" in value
