"""Names of the image and the text of a sample."""

from __future__ import annotations

import PIL.Image
import pytest

from frozenvl.data.shards.keys import IMAGE_SUFFIXES, parse_keys
from frozenvl.util.errors import UserError
from frozenvl.util.imaging import FORMATS


def test_the_default_images_are_of_every_format_that_is_decoded():
    of = PIL.Image.registered_extensions()
    decoded = set(FORMATS) & PIL.Image.OPEN.keys()  # AVIF came with Pillow 11.3
    assert {of.get(f".{suffix}") for suffix in IMAGE_SUFFIXES} - {None} == decoded


def test_names_are_separated_by_semicolons():
    keys = parse_keys(" .Photo ; jpg", "title;alt.txt")
    assert (keys.image, keys.text) == (("Photo", "jpg"), ("title", "alt.txt"))
    ranks = keys.image_ranks
    assert ranks["photo"] < ranks["photo.jpg"] < ranks["photo.png"] < ranks["jpg"]
    assert "jpg.jpg" not in ranks and "png" not in ranks and "depth_photo.jpg" not in ranks
    assert keys.text_members == (("title", ("title", "title.txt", "title.json")), ("alt.txt", ("alt.txt",)))
    assert str(keys) == 'image_key "Photo;jpg" and text_key "title;alt.txt"'
    assert keys == parse_keys("Photo;jpg", "title;alt.txt") != parse_keys("jpg;Photo", "title;alt.txt")


@pytest.mark.parametrize("names", ["", " ", "a;;b", "a;", "."])
def test_an_empty_name_is_refused(names):
    with pytest.raises(
        UserError, match=r"image_key: .* holds an empty name; separate names with one semicolon"
    ):
        parse_keys(image_key=names)
    with pytest.raises(UserError, match="text_key: "):
        parse_keys(text_key=names)
