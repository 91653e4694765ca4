"""ARO: relations and attributes of Visual Genome, each with a foil in which two words are swapped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from frozenvl.data.records.record import Record
from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.records.values import has_fields
from frozenvl.data.sources.pairs import Pair, Pairs
from frozenvl.data.sources.visual_genome import photograph, read_coco_ids


class AROPairs(Pairs):
    """ARO's captions and foils, read from `visual_genome_relation.json` or `visual_genome_attribution.json`.

    The image is cut to the box of the two objects, as ARO's own evaluation does. The label `category` is the relation;
    attributions have none. ARO averages over relations, `overall` over items. An item's id is its place in the file.

    Args:
        annotations: JSON list with image_id, image_path, true_caption, false_caption, bbox_x, bbox_y, bbox_w, bbox_h
            and, for relations, relation_name.
        images: folder with ARO's images (`vgr_vga_images.zip`).
        image_data: Visual Genome's `image_data.json`, which tells the photographs that are COCO's (about half).
            Without it, overlaps with data sets on COCO are not detected.

    Raises:
        UserError: if a file or the folder is missing, or the layout is another one.
    """

    layout = "ARO's JSON"

    def __init__(self, annotations: str, images: str, image_data: str | None = None) -> None:
        super().__init__(annotations, images, image_data=image_data)

    @classmethod
    def recognises(cls, content: Any) -> bool:
        return has_fields(content, "true_caption", "false_caption", "image_path", "bbox_x")

    @classmethod
    def read(cls, file: RecordFile, image_data: str | None = None) -> Iterator[Pair]:
        """Yields the items of a file."""
        coco_ids = read_coco_ids(image_data)
        for number, row in enumerate(file.records()):
            relation = row.labels("relation_name")
            yield Pair(
                id=str(number),
                file=row.file("image_path"),
                caption=row.text("true_caption"),
                foils=(row.text("false_caption"),),
                kind={"category": relation["relation_name"]} if relation else {},
                photograph=photograph(row.id("image_id"), coco_ids),
                box=_box(row),
            )


def _box(row: Record) -> tuple[int, int, int, int] | None:
    """Returns left, top, right and bottom of a record's box."""
    values = [row.raw(f"bbox_{name}") for name in "xywh"]
    if not all(type(value) is int for value in values) or min(values[2:]) < 1:
        row.problem(f"its box is {values!r:.60}, not x, y, width and height in pixels")
        return None
    left, top, width, height = values
    return left, top, left + width, top + height
