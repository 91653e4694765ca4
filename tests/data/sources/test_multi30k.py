"""Multi30k as published: captions and image files in parallel text files."""

from __future__ import annotations

import gzip

import pytest
from published_layouts import recognised

from frozenvl.data.sources.multi30k import Multi30kCaptions
from frozenvl.util.errors import UserError


def write(folder, **files) -> dict[str, str]:
    for name, text in files.items():
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return {name: str(folder / name) for name in files}


def facts(source: Multi30kCaptions) -> list[tuple]:
    return [(e.id, e.image.name, e.references) for e in source]


def test_lines_of_the_same_number_belong_together(tmp_path):
    files = write(tmp_path, de="Ein Hund .\nZwei\u2028Leute .\n", names="100.jpg\n200.jpg\n")
    source = Multi30kCaptions(files["de"], files["names"], str(tmp_path))
    assert facts(source) == [
        ("100.jpg", "100.jpg", ("Ein Hund .",)),
        ("200.jpg", "200.jpg", ("Zwei Leute .",)),
    ]
    assert source[0].image.path == tmp_path / "100.jpg"


@pytest.mark.parametrize(
    "names",
    ["100.jpg\r\n200.jpg\r\n", "100.jpg\n200.jpg", "\ufeff100.jpg\n200.jpg\n\n", "100.jpg\r200.jpg\r"],
    ids=["CRLF", "no end", "BOM", "CR"],
)
def test_text_files_are_read_as_people_have_them(tmp_path, names):
    files = write(tmp_path, de=gzip.compress(b"Ein Hund\nEine Katze\n"), names=names)
    source = Multi30kCaptions(files["de"], files["names"], str(tmp_path))
    assert facts(source) == [("100.jpg", "100.jpg", ("Ein Hund",)), ("200.jpg", "200.jpg", ("Eine Katze",))]


def test_several_files_are_several_captions(tmp_path):
    files = write(tmp_path, one="Ein Hund\nEine Katze\n", two="Hund\nKatze\n", names="100.jpg\n200.jpg\n")
    source = Multi30kCaptions([files["one"], files["two"]], files["names"], str(tmp_path))
    assert [e.references for e in source] == [("Ein Hund", "Hund"), ("Eine Katze", "Katze")]
    assert source.pairs == 4


def test_lines_of_coco_have_the_number_of_their_caption(tmp_path):
    names = "COCO_val2014_000000398076.jpg#657409\nCOCO_train2014_000000060155.jpg#646058\n"
    files = write(tmp_path, fr="Un chien\nUn chat\n", names=names + "COCO_val2014_000000398076.jpg#657410\n")
    files |= write(tmp_path, fr="Un chien\nUn chat\nDeux chiens\n")
    source = Multi30kCaptions(files["fr"], files["names"], str(tmp_path))
    assert facts(source) == [
        ("398076", "COCO_val2014_000000398076.jpg", ("Un chien", "Deux chiens")),
        ("60155", "COCO_train2014_000000060155.jpg", ("Un chat",)),
    ]
    assert source.image_ids() == ["coco/398076", "coco/60155"]


def test_different_numbers_of_lines_are_refused_with_both(tmp_path):
    files = write(tmp_path, one="a\nb\n", two="a\nb\nc\n", names="1.jpg\n2.jpg\n3.jpg\n")
    with pytest.raises(UserError, match=r"names has 3 lines, but .*one has 2; give files of one set"):
        Multi30kCaptions([files["one"], files["two"]], files["names"], str(tmp_path))


def test_all_empty_lines_are_named(tmp_path):
    files = write(tmp_path, de="a\n \nc\nd\n", names="1.jpg\n2.jpg\n\n4.jpg\n")
    with pytest.raises(UserError, match=r"(?s)2 problems.*de: line 2 is empty.*line 3 is empty"):
        Multi30kCaptions(files["de"], files["names"], str(tmp_path))


def test_missing_and_empty_files_are_refused(tmp_path):
    files = write(tmp_path, de="", names="")
    with pytest.raises(UserError, match="names: lists no images"):
        Multi30kCaptions(files["de"], files["names"], str(tmp_path))
    with pytest.raises(UserError, match="fr: cannot be read"):
        Multi30kCaptions(str(tmp_path / "fr"), files["names"], str(tmp_path))


def test_it_recognises_no_json():
    assert recognised(Multi30kCaptions) == set()
