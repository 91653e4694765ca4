"""Images of scenes."""

import numpy as np

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
