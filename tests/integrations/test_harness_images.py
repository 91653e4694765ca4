"""Images of a harness's documents: pixels, videos, placeholders, and what is refused."""

from __future__ import annotations

import gc

import numpy as np
import PIL.Image
import pytest

from frozenvl.images import ImageFile
from frozenvl.integrations.harness_images import DecodedImage, images_of, interleaved, pixel_digest
from frozenvl.util.errors import UnreadableImage, UserError
from frozenvl.video.sampling import Sampling
from frozenvl.video.video import Video

RED, BLUE = (PIL.Image.new("RGB", (6, 4), colour) for colour in ("red", "blue"))


def read(visuals, alive=None) -> list:
    return [*images_of(visuals, "task/test/0", Sampling(), [] if alive is None else alive)]


def test_pixels_stay_as_they_are():
    noise = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8))
    alive: list = []
    (image,) = read([[noise]], alive)
    assert image.read().tobytes() == noise.tobytes() and image.digest == pixel_digest(noise)


def test_transparency_is_white_as_in_files():
    alive: list = []
    (image,) = read(PIL.Image.new("RGBA", (2, 2), (255, 0, 0, 0)), alive)
    assert image.read().getpixel((0, 0)) == (255, 255, 255)


def test_images_of_equal_pixels_are_equal():
    alive: list = []
    first, second, other = read([RED, RED.copy(), BLUE], alive)
    assert first == second != other and len({first, second, other}) == 2


def test_a_cache_keyed_by_an_image_does_not_hold_its_pixels():
    alive: list = []
    (image,) = read(RED, alive)
    cache = {image: "prefix vectors"}
    alive.clear()
    gc.collect()
    with pytest.raises(UnreadableImage, match="task/test/0: its batch is over"):
        image.read()
    (again,) = read(RED.copy(), alive)
    assert cache[again]


def test_files_are_read_as_files(tmp_path):
    RED.save(tmp_path / "a.png")
    (tmp_path / "b.mkv").write_bytes(b"\x1a\x45\xdf\xa3")
    image, video = read([str(tmp_path / "a.png"), tmp_path / "b.mkv"])
    assert image == ImageFile(tmp_path / "a.png")
    assert isinstance(video, Video) and video.sampling == Sampling()


def test_a_text_has_no_images():
    assert read(None) == read([]) == []


@pytest.mark.parametrize(
    ("visual", "message"),
    [
        ("song.wav", "task/test/0: holds audio; "),
        ({"array": [0.0], "sampling_rate": 16000}, "holds audio; "),
        ({"url": "a.mp4", "video_start": 1.0}, "holds a part of a video; "),
        (7, "holds an object of the type int; "),
        ("missing.jpg", "no such image or video: missing.jpg"),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(visual, message):
    with pytest.raises(UserError, match=message) as refused:
        read([RED, visual])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "count", "parts"),
    [
        ("what?", 1, ("1", "what?")),
        ("what?", 2, ("1", "2", "what?")),
        ("", 1, ("1",)),
        ("left <image> right <image>", 2, ("left ", "1", " right ", "2")),
        ("<image 2> or <image 1>?", 2, ("2", " or ", "1", "?")),
        ("about <image 2>", 2, ("1", "about ", "2")),
        ("no image", 0, ("no image",)),
    ],
)
def test_placeholders_are_places_of_images(text, count, parts):
    images = [DecodedImage(str(n + 1), str(n), lambda: None) for n in range(count)]
    found = interleaved(text, images, "doc")
    assert tuple(part if isinstance(part, str) else part.name for part in found) == parts


@pytest.mark.parametrize("text", ["<image> and <image>", "<image 2>", "<image 0>"])
def test_a_placeholder_without_an_image_is_refused(text):
    with pytest.raises(UserError, match=r"doc: its text has <image.*>, and it has 1 images"):
        interleaved(text, [DecodedImage("1", "1", lambda: None)], "doc")
