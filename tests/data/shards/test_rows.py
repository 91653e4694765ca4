"""The image and the text that are chosen among the members of a tar's sample."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from shard_files import scanned
from tars import picture, sample, write_tar

from frozenvl.data.shards.keys import parse_keys
from frozenvl.data.shards.record import as_record
from frozenvl.data.shards.rows import Form
from frozenvl.data.shards.scan import Scan
from frozenvl.prompt import BlackImage, Example


def one_sample(path: Path, members: dict[str, Any], **names: str) -> Scan:
    """Scans a tar of one sample with these members, by suffix."""
    write_tar(path / "a.tar", [(f"0.{suffix}", content) for suffix, content in members.items()])
    return scanned(path / "a.tar", parse_keys(**names))


def chosen(path: Path, members: dict[str, Any], **names: str) -> tuple[str, str]:
    """Returns the suffixes of the members that hold the image and the text."""
    row = one_sample(path, members, **names).rows[0]
    data = (path / "a.tar").read_bytes()
    raw = {
        suffix: value if isinstance(value, bytes) else as_bytes(value) for suffix, value in members.items()
    }

    def suffix(offset: int, size: int) -> str:
        return next(name for name, value in raw.items() if offset and data[offset : offset + size] == value)

    return suffix(row["image"], row["image_size"]), suffix(row["words"], row["words_size"])


def as_bytes(value: Any) -> bytes:
    return (value if isinstance(value, str) else json.dumps(value)).encode()


@pytest.mark.parametrize(
    ("members", "form"),
    [
        ({"txt": "a", "json": {"caption": "b"}}, Form.TEXT),
        ({"json": {"caption": "b"}}, Form.CAPTION),
        ({"txt": " \n", "json": {"caption": "b"}}, Form.CAPTION),
        ({"txt": " \n", "json": {"caption": None}}, Form.TEXT),
        ({"json": {"other": "b"}}, Form.NONE),
        ({"json": "[" * 100_000}, Form.NONE),
        ({"txt": "a", "json": b"\xff\xfe"}, Form.TEXT),
        ({"txt": "a", "json": {"frozenvl": {"id": 3}}}, Form.TEXT),
        ({"json": {"caption": ["b", "c"]}}, Form.CAPTIONS),
        ({"json": ["b", "c"]}, Form.CAPTIONS),
        ({"json": '"b"'}, Form.CAPTION),
        ({"txt": '["b", "c"]'}, Form.CAPTIONS),
        ({"captions": {"caption": "b"}}, Form.CAPTION),
        ({"txt": "[1, 2] dogs"}, Form.TEXT),
        ({"txt": "[1, 2]"}, Form.TEXT),
        ({}, Form.NONE),
    ],
    ids=range(16),
)
def test_the_text_is_found_in_members_of_all_kinds(tmp_path, members, form):
    path = write_tar(
        tmp_path / "a.tar",
        [("0.jpg", picture()), *((f"0.{suffix}", each) for suffix, each in members.items())],
    )
    found = scanned(path)
    assert found.rows["form"].tolist() == [form]
    assert found.notes.counts["samples without a text"] == (form == Form.NONE)


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        *(
            ("jpeg", "JPEG"),
            ("jfif", "JPEG"),
            ("png", "PNG"),
            ("avif", "AVIF"),
            ("jp2", "JPEG2000"),
            ("pgm", "PPM"),
        ),
        *(
            ("img", "JPEG"),
            ("image", "PNG"),
            ("image.jpg", "JPEG"),
            ("image.webp", "WEBP"),
            ("img.png", "PNG"),
        ),
    ],
)
def test_images_have_any_suffix_of_a_format_that_is_decoded(tmp_path, suffix, kind):
    found = one_sample(tmp_path, {suffix: picture(3, kind=kind), "depth_image.jpg": picture(4), "txt": "a"})
    row = found.rows[0]
    data = (tmp_path / "a.tar").read_bytes()[row["image"] :][: row["image_size"]]
    assert data == picture(3, kind=kind) and found.suffixes == [suffix]
    assert found.notes.lines() == ["1 members ignored (depth_image.jpg: 1)"]


@pytest.mark.parametrize(
    "suffix",
    ["txt", "caption", "text", "captions", "caption.txt", "captions.txt", "text.json", "captions.json"],
)
def test_texts_have_any_of_the_default_suffixes(tmp_path, suffix):
    text = "a dog" if not suffix.endswith("json") else ["a dog", "the dog"]
    found = one_sample(tmp_path, {"jpg": picture(), suffix: text})
    assert found.rows["texts"].tolist() == [len(text) if isinstance(text, list) else 1]
    assert chosen(tmp_path, {"jpg": picture(), suffix: text}) == ("jpg", suffix) and not found.notes.counts


MEMBERS = {
    "depth.png": picture(1, kind="PNG"),
    "png": picture(2, kind="PNG"),
    "jpg": picture(3),
    "txt": "from txt",
    "title.txt": "from title",
    "json": {"caption": "from caption", "alt": "from alt"},
}


@pytest.mark.parametrize(
    ("names", "expected", "ignored"),
    [
        ({}, ("jpg", "txt"), ["depth.png", "png", "title.txt"]),
        ({"text_key": "title"}, ("jpg", "title.txt"), ["depth.png", "png", "txt"]),
        ({"text_key": ".TITLE"}, ("jpg", "title.txt"), ["depth.png", "png", "txt"]),
        ({"text_key": "alt;txt"}, ("jpg", "json"), ["depth.png", "png", "txt", "title.txt"]),
        ({"text_key": "missing;txt"}, ("jpg", "txt"), ["depth.png", "png", "title.txt"]),
        ({"image_key": "png;jpg"}, ("png", "txt"), ["depth.png", "jpg", "title.txt"]),
        ({"image_key": "depth"}, ("depth.png", "txt"), ["png", "jpg", "title.txt"]),
        ({"image_key": "depth.png"}, ("depth.png", "txt"), ["png", "jpg", "title.txt"]),
    ],
    ids=str,
)
def test_the_first_name_that_a_sample_has_is_used_and_other_members_are_named(
    tmp_path, names, expected, ignored
):
    assert chosen(tmp_path, MEMBERS, **names) == expected
    found = one_sample(tmp_path, MEMBERS, **names)
    assert found.notes.counts == {"members ignored": len(ignored)}
    assert list(found.notes.names["members ignored"]) == ignored


@pytest.mark.parametrize(
    ("members", "texts"),
    [
        ({"txt": "a\nb\n"}, 2),
        ({"txt": b"\xef\xbb\xbfa\r\n\r\nb\rc"}, 3),
        ({"txt": "a\nb".encode("utf-16")}, 2),
        ({"json": {"caption": "a\n b"}}, 2),
        ({"json": {"caption": ["a\n b", "c", " "]}}, 2),
        ({"txt": "\n \n", "json": {"captions": ["b", "c"]}}, 2),
        ({"txt": "\ufeff"}, 1),
        ({"txt": "a\u2028b"}, 1),
    ],
    ids=range(8),
)
def test_a_row_counts_the_lines_or_the_texts_of_a_list(tmp_path, members, texts):
    found = one_sample(tmp_path, {"jpg": picture(), **members})
    assert found.rows["texts"].tolist() == [texts]
    lines = found.rows["form"][0] in (Form.TEXT, Form.CAPTION) and texts > 1
    assert found.notes.counts["texts of several lines"] == lines


@pytest.mark.parametrize(
    "value", [None, 7, float("nan"), True, {"en": "a"}, [], ["a", None], [["a"]]], ids=str
)
def test_a_value_that_is_no_text_is_passed_over(tmp_path, value):
    found = one_sample(tmp_path, {"jpg": picture(), "json": {"caption": value, "title": "b", "width": 3}})
    assert found.rows["form"].tolist() == [Form.NONE]
    assert found.notes.lines() == ["1 samples without a text (texts in their .json: title: 1)"]
    later = one_sample(tmp_path, {"jpg": picture(), "json": {"caption": value, "text": "b"}})
    assert later.rows["form"].tolist() == [Form.CAPTION] and not later.notes.counts


def test_coco_ids_are_found_in_names_and_records(tmp_path):
    packed = as_record(Example("x", BlackImage(), "coco/9", ("a", "b")))
    members = [
        ("000000000285.jpg", picture()),
        ("k.jpg", picture()),
        ("k.json", {"caption": "c", "url": "http://images.cocodataset.org/train2017/000000000077.jpg"}),
        ("p.jpg", picture()),
        ("p.json", {"frozenvl": packed}),
        *sample(285),
    ]
    found = scanned(write_tar(tmp_path / "a.tar", members))
    assert found.rows["coco"].tolist() == [285, 77, 9, 0]
    assert found.rows["texts"].tolist() == [1, 1, 2, 1]
