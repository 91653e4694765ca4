"""Images of scenes."""

import numpy as np
import pytest

from frozenvl.data.scenes.description import SHAPES, Background, Group, Scene, Thing
from frozenvl.data.scenes.renderer import boxes_of, render
from frozenvl.data.sources.scenes import SceneCaptions


def test_an_image_contains_the_colours_of_its_objects():
    palette = {"red": (218, 26, 32), "green": (34, 150, 56), "blue": (32, 76, 214), "yellow": (252, 224, 22)}
    seen = 0
    for example in SceneCaptions(size=40, resolution=128):
        image = example.image.read()
        assert image.size == (128, 128) and image.mode == "RGB"
        for group in example.image.scene.groups:
            if group.colour in palette and group.shape not in ("ring", "moon"):
                x, y = (int(128 * value) for value in (group.things[0].x, group.things[0].y))
                shown = np.asarray(image, float)[y - 1 : y + 2, x - 1 : x + 2].mean((0, 1))
                assert np.abs(shown - palette[group.colour]).max() < 20
                seen += 1
    assert seen > 10


@pytest.mark.parametrize("shape", SHAPES)
def test_the_box_of_an_object_is_where_its_pixels_are(shape):
    """Compares an object with the pixels that it changes: a box is exact to a pixel of 512."""
    side = 512
    for tilt in (-10.0, 0.0, 7.3):
        thing = Thing(0.41, 0.56, 0.26, tilt)
        group = Group("blue", shape, "large", "left", (thing,))
        background = Background("plain", (178, 180, 184), 0, 0.2)
        with_it, without = (
            np.asarray(render(Scene(groups, background, 3), side), int) for groups in ((group,), ())
        )
        rows, columns = np.nonzero((with_it != without).any(2))
        seen = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        (box,) = boxes_of(group)
        assert np.abs(np.array(seen) - side * np.array(box)).max() < 1.5


def test_a_group_has_a_box_for_each_object():
    for example in SceneCaptions(size=30):
        for group in example.image.scene.groups:
            boxes = boxes_of(group)
            assert len(boxes) == group.count
            for thing, (left, top, right, bottom) in zip(group.things, boxes, strict=True):
                assert 0 <= left < thing.x < right <= 1 and 0 <= top < thing.y < bottom <= 1
                assert max(right - left, bottom - top) <= 1.1 * thing.diameter
