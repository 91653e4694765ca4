"""COCO captions: reading, and errors in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from frozenvl.data.sources.coco import CocoCaptions
from frozenvl.util.errors import UserError

GOOD = {
    "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 3, "file_name": "b.jpg"}],
    "annotations": [
        {"id": 1, "image_id": 7, "caption": " A dog\nruns . "},
        {"id": 2, "image_id": 3, "caption": "A cat"},
        {"id": 3, "image_id": 7, "caption": "A brown dog"},
    ],
}


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "captions.json").write_text(json.dumps(GOOD))
    return tmp_path


def read(folder: Path) -> CocoCaptions:
    return CocoCaptions(str(folder / "captions.json"), str(folder / "images"))


def test_each_image_is_one_example_with_all_its_captions(folder):
    source = read(folder)
    assert [(e.id, e.image.name, e.references) for e in (source[0], source[1])] == [
        ("7", "a.jpg", ("A dog runs .", "A brown dog")),
        ("3", "b.jpg", ("A cat",)),
    ]
    assert (len(source), source.pairs) == (2, 3)


def test_coco_photographs_have_the_image_id_of_all_sources(folder):
    content = json.loads(changed("images", 0, file_name="COCO_val2014_000000000007.jpg"))
    (folder / "captions.json").write_text(json.dumps(content))
    source = read(folder)
    assert [(e.id, e.image_id) for e in source] == [("7", "coco/7"), ("3", f"{folder.name}/images/b.jpg")]


def test_half_a_surrogate_pair_is_replaced(folder):
    (folder / "captions.json").write_text(changed("annotations", 1, caption="A \ud83d cat \0"))
    assert read(folder)[1].references == ("A ? cat \0",)


def changed(key: str, row: int, **fields) -> str:
    content = json.loads(json.dumps(GOOD))
    content[key][row] |= fields
    return json.dumps(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "not COCO captions JSON"),
        ("3", "not COCO captions JSON"),
        ('{"images": []}', "lists no images"),
        ('{"annotations": []}', "not COCO captions JSON .'images' is missing, not a list"),
        ('{"images": 3, "annotations": []}', "not COCO captions JSON"),
        ('{"images": [], "annotations": []}', "no images"),
        (changed("annotations", 1, caption=" \n"), r"annotations\[1\] .id 2.: 'caption' is an empty text"),
        (changed("annotations", 1, caption=None), r"annotations\[1\] .id 2.: 'caption' is null, not a text"),
        (changed("annotations", 1, image_id=4), r"annotations\[1\] .id 2.: .* image 4, which is not among"),
        (changed("annotations", 1, image_id=7), "image 3 .b.jpg. has no caption; skip_uncaptioned leaves"),
        (changed("images", 1, id=7), "image 7 stands twice"),
        (changed("annotations", 2, id=1), "image 7 has caption 1 with another text"),
        (changed("annotations", 2, id=1, caption="A dog runs ."), "image 7 has caption 1 again"),
    ],
)
def test_a_bad_annotation_file_is_one_error_line(folder, content, message):
    (folder / "captions.json").write_text(content)
    with pytest.raises(UserError, match=message) as error:
        read(folder)
    assert str(error.value).startswith(str(folder / "captions.json"))


def test_a_file_that_is_not_utf8_is_refused(folder):
    (folder / "captions.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"captions.json: not "):
        read(folder)


@pytest.mark.parametrize("missing", ["captions.json", "images"])
def test_a_missing_file_or_folder_is_named(folder, missing):
    (folder / missing).rename(folder / "elsewhere")
    with pytest.raises(UserError, match=rf"{missing}: no such .*--data.root"):
        read(folder)


@pytest.mark.parametrize("kind", ["text", "truncated", "empty", "missing", "folder"])
def test_an_unreadable_image_is_named(folder, kind):
    path = folder / "images" / "a.jpg"
    Image.radial_gradient("L").save(path)
    whole = path.read_bytes()
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes({"text": b"hello", "truncated": whole[: len(whole) // 2], "empty": b""}[kind])
    with pytest.raises(UserError, match=r"a.jpg: (no such image|not a readable image)") as error:
        read(folder)[0].image.read()
    assert "\n" not in str(error.value)


def test_grey_palette_and_transparent_images_become_rgb(folder):
    for mode in ("L", "P", "RGBA", "CMYK", "1"):
        path = folder / f"x.{'jpg' if mode == 'CMYK' else 'png'}"
        Image.new(mode, (5, 4)).save(path)
        path.replace(folder / "images" / "a.jpg")
        assert read(folder)[0].image.read().mode == "RGB"


def test_a_caption_that_was_changed_beside_the_record_of_its_example_is_refused(folder):
    record = {
        "id": "7",
        "image_id": "",
        "references": ["A dog"],
        "question": "What?",
        "answer": "A dog",
        "kind": {},
    }
    content = json.loads(json.dumps(GOOD))
    content["images"][0]["frozenvl"] = record
    content["annotations"] = [{"id": n, "image_id": i, "caption": "A dog"} for n, i in enumerate((7, 3))]
    (folder / "captions.json").write_text(json.dumps(content))
    assert [(e.question, e.references) for e in read(folder)] == [("What?", ("A dog",)), ("", ("A dog",))]
    content["annotations"][0]["caption"] = "A cat"
    (folder / "captions.json").write_text(json.dumps(content))
    with pytest.raises(
        UserError, match=r"image 7 .a.jpg. has other captions than its 'frozenvl'; remove one"
    ):
        read(folder)


def test_references_without_file_names_are_no_data_set(folder):
    content = {"images": [{"id": 1}], "annotations": [{"image_id": 1, "caption": "a"}]}
    (folder / "captions.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"references to score with, not a data set"):
        read(folder)


def test_a_file_of_rejected_captions_says_so(folder):
    rows = [{"id": 1, "image_id": 7, "caption": "spam", "is_rejected": True}]
    content = {"images": GOOD["images"][:1], "annotations": rows}
    (folder / "captions.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"lists no images .1 rejected captions left out, 1 images left out"):
        read(folder)
