"""ARO's captions and foils, on cut images."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
import pytest
from published_layouts import recognised
from vqa_files import write

from frozenvl.data.sources.aro import AROPairs
from frozenvl.util.errors import UserError


def row(**more) -> dict:
    box = {"bbox_x": 1, "bbox_y": 2, "bbox_w": 4, "bbox_h": 3}
    texts = {"true_caption": "the dog is behind the cat", "false_caption": "the cat is behind the dog"}
    return {"image_id": 2, "image_path": "2.jpg", "relation_name": "behind"} | box | texts | more


def aro(folder: Path, *rows: dict, **more) -> AROPairs:
    return AROPairs(write(folder, "aro.json", list(rows)), str(folder / "images"), **more)


def test_captions_and_foils_are_read(tmp_path):
    attribution = row(image_id=3, image_path="3.jpg", attributes=["old", "new"])
    del attribution["relation_name"]
    source = aro(tmp_path, row(), attribution)
    assert [(e.id, e.image.name, e.image_id, e.kind) for e in source] == [
        ("0", "2.jpg", "vg/2", {"category": "behind"}),
        ("1", "3.jpg", "vg/3", {}),
    ]
    assert source[0].choices == ("the dog is behind the cat", "the cat is behind the dog")
    assert source[0].references == source[0].choices[:1]
    image_data = write(tmp_path, "image_data.json", [{"image_id": 3, "coco_id": 77}])
    assert aro(tmp_path, row(), attribution, image_data=image_data).image_ids() == ["vg/2", "coco/77"]


def test_images_are_cut_to_their_boxes(tmp_path):
    source = aro(tmp_path, row(), row(bbox_w=5))
    image = PIL.Image.new("RGB", (10, 8))
    image.putdata([(20 * x, 20 * y, 0) for y in range(8) for x in range(10)])
    image.save(tmp_path / "images/2.jpg", "PNG")
    cut = source[0].image.read(64)
    assert cut.size == (4, 3) and cut.getpixel((0, 0)) == (20, 40, 0) and cut.getpixel((3, 2)) == (80, 80, 0)
    one, other = source[0].image, source[1].image
    assert one.digest != other.digest and one.key != other.key and one == source[0].image


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"true_caption": None}, "'true_caption' is null"),
        ({"false_caption": ""}, "'false_caption' is an empty text"),
        ({"image_path": None}, "'image_path' is null"),
        ({"image_id": None}, "'image_id' is null"),
        ({"bbox_w": 0}, r"its box is \[1, 2, 0, 3\]"),
        ({"bbox_x": None}, r"its box is \[None, 2, 4, 3\]"),
        ({"bbox_y": 1.5}, r"its box is \[1, 1.5, 4, 3\]"),
    ],
    ids=["null", "empty", "file", "id", "width", "none", "fraction"],
)
def test_records_that_cannot_be_used_are_refused(tmp_path, more, problem):
    with pytest.raises(UserError, match=problem) as error:
        aro(tmp_path, row(), row(**more))
    assert "record [1]" in str(error.value)


def test_only_its_own_layout_is_recognised():
    assert recognised(AROPairs) == {"ARO"}
