"""Images of prompts: files, stored bytes, parts of images and black ones."""

import PIL.Image
import pytest

from frozenvl.images import BlackImage, CroppedImage, ImageFile, StoredImage, black
from frozenvl.util.errors import UserError


def test_a_cropped_image_is_a_part_of_the_whole(tmp_path):
    image = PIL.Image.new("RGB", (40, 30))
    image.putpixel((12, 7), (200, 0, 0))
    image.save(tmp_path / "a.png")
    whole = ImageFile(tmp_path / "a.png")
    part = CroppedImage(whole, (10, 5, 15, 9))
    assert (
        part.name == "a.png" and part.read(4).size == (5, 4) and part.read().getpixel((2, 2)) == (200, 0, 0)
    )
    assert part == CroppedImage(whole, (10, 5, 15, 9))
    other = CroppedImage(whole, (10, 5, 15, 10))
    assert len({whole.digest, part.digest, other.digest}) == len({whole.key, part.key, other.key}) == 3
    assert part.origin is whole.origin is whole
    whole.set_digest("0" * 32)
    assert (
        CroppedImage(whole, part.box).digest != part.digest and ImageFile(whole.path).digest != whole.digest
    )


def test_black():
    one = BlackImage(1, "1")
    image = black(one)
    assert image.read().mode == "RGB" and image.read().getextrema() == ((0, 0),) * 3
    assert image.digest == one.digest


def test_image_file(tmp_path):
    PIL.Image.new("L", (2, 3), 7).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    image = ImageFile(tmp_path / "a.png")
    assert image.read().getpixel((0, 0)) == (7, 7, 7) and image.name == "a.png"
    assert image.digest == ImageFile(tmp_path / "b.png").digest
    PIL.Image.new("L", (2, 3), 8).save(tmp_path / "b.png")
    assert image.digest != ImageFile(tmp_path / "b.png").digest


def test_stored_image_is_read_at_each_access_and_equals_a_file_of_its_bytes(tmp_path):
    PIL.Image.new("L", (2, 3), 7).save(tmp_path / "a.png")
    reads = []

    def load() -> bytes:
        reads.append(1)
        return (tmp_path / "a.png").read_bytes()

    image = StoredImage("a.png", "table#3", load)
    assert (image.name, image.key, reads) == ("a.png", "table#3", [])
    assert image.read().getpixel((0, 0)) == (7, 7, 7) and image.digest == ImageFile(tmp_path / "a.png").digest
    assert image.read().size == (2, 3) and len(reads) == 3
    assert image == StoredImage("a.png", "table#3", bytes) and image != StoredImage("a.png", "table#4", load)
    with pytest.raises(UserError, match=r"a.png: not a readable image"):
        StoredImage("a.png", "", lambda: b"text").read()


@pytest.mark.parametrize("content", [None, b"", b"text", "cut"])
def test_unreadable_image(tmp_path, content):
    path = tmp_path / "x.png"
    if content == "cut":
        PIL.Image.effect_noise((64, 64), 50).save(path)
        content = path.read_bytes()[:1000]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"x\.png") as caught:
        ImageFile(path).read()
    assert "\n" not in str(caught.value)
