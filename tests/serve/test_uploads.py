"""Pictures that come in through the page."""

from __future__ import annotations

import io

import PIL.Image
import pytest

from frozenvl.serve.uploads import THUMBNAIL, Uploads, checked, thumbnail
from frozenvl.util.errors import UserError


def test_an_adopted_picture_is_a_copy_that_remembers_its_file(tmp_path, photos):
    uploads = Uploads(tmp_path)
    copy = uploads.adopt(photos / "0.png")
    image = uploads.image(copy)
    assert copy.startswith(str(tmp_path)) and image.name == "0.png"
    assert uploads.file_of(image) == photos / "0.png"
    own = uploads.image(uploads.keep("../../mine.png", (photos / "1.png").read_bytes()))
    assert own.name == "mine.png" and str(uploads.file_of(own)) == "mine.png"


@pytest.mark.parametrize("size", [(9000, 9000), (20_000, 10_000)])
def test_too_many_pixels_are_refused_by_the_header(size):
    buffer = io.BytesIO()
    PIL.Image.new("1", size).save(buffer, "PNG")
    with pytest.raises(UserError, match=r"^huge\.png: more than 64 megapixels; make it smaller$"):
        checked("huge.png", buffer.getvalue())


def test_what_is_no_image_is_one_line_without_a_path(tmp_path):
    uploads = Uploads(tmp_path)
    for data in (b"", b"text", b"<html>", b"\x89PNG\r\n\x1a\n"):
        with pytest.raises(UserError, match=r"^a\.png: not a readable image") as error:
            uploads.image(uploads.keep("a.png", data))
        assert str(tmp_path) not in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(UserError, match="there is no image"):
        uploads.image(None)


def test_a_gallery_shows_small_copies(tmp_path):
    PIL.Image.new("RGB", (1000, 500), "red").save(tmp_path / "a.png")
    assert thumbnail(tmp_path / "a.png").size == (THUMBNAIL, THUMBNAIL // 2)
