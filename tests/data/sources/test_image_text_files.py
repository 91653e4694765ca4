"""Images with a text file of the same name, as img2dataset and people write them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tars import picture

from frozenvl.data.sources.image_text_files import ImageTextFiles
from frozenvl.prompt import ImageFile
from frozenvl.util.errors import UserError


def write(folder: Path, **files: object) -> Path:
    """Writes files: `a_jpg=1` is image 1 as a.jpg, other values are texts, or objects for JSON."""
    for name, content in files.items():
        path = folder / f"{name.rpartition('_')[0].replace('__', '/')}.{name.rpartition('_')[2]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, int):
            path.write_bytes(picture(content))
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return folder


def test_images_and_texts_of_one_name(tmp_path):
    write(
        tmp_path, b_jpg=1, b_txt="\ufeffa  dog\r\n", a__c_png=2, a__c_json={"caption": ["a cat", "the cat"]}
    )
    write(tmp_path, **{"1.5_jpg": 3, "1.5_txt": "a number"})
    source = ImageTextFiles(str(tmp_path))
    assert [(e.id, e.references, e.image) for e in source] == [
        ("1.5", ("a number",), ImageFile(tmp_path / "1.5.jpg")),
        ("a/c", ("a cat", "the cat"), ImageFile(tmp_path / "a/c.png")),
        ("b", ("a dog",), ImageFile(tmp_path / "b.jpg")),
    ]
    assert source.targets_per_example == [1, 2, 1] and source.pairs == 4 and not source.notes
    assert source.image_ids() == [e.image_id for e in source]
    assert source[2].image_id == f"{tmp_path.parent.name}/{tmp_path.name}/b.jpg"


def test_files_of_img2dataset(tmp_path):
    for number, caption in enumerate(["a dog", "", "a cat"]):
        meta = {"caption": caption or None, "key": f"{number:09}", "status": "success"}
        write(
            tmp_path,
            **{
                f"00000__{number:09}_jpg": number,
                f"00000__{number:09}_txt": caption,
                f"00000__{number:09}_json": meta,
            },
        )
    write(tmp_path, **{"00000_json": {"count": 3}, "00000__000000009_txt": "its image is gone"})
    source = ImageTextFiles(str(tmp_path))
    assert [(e.id, e.references) for e in source] == [
        ("00000/000000000", ("a dog",)),
        ("00000/000000002", ("a cat",)),
    ]
    assert source.notes == {"images without a text left out": 1, "texts without an image left out": 1}
    assert source.targets_per_example == 1


def test_several_lines_are_read_as_the_user_says(tmp_path):
    write(tmp_path, a_jpg=1, a_txt="one\ntwo\r\n\nthree\n", b_jpg=2, b_txt="one\n")
    with pytest.raises(
        UserError, match=r"a.txt: has 3 lines; choose --lines captions \(each is a caption\) or --lines joi"
    ):
        ImageTextFiles(str(tmp_path))
    assert [e.references for e in ImageTextFiles(str(tmp_path), lines="captions")] == [
        ("one", "two", "three"),
        ("one",),
    ]
    assert [e.references for e in ImageTextFiles(str(tmp_path), lines="joined")] == [
        ("one two three",),
        ("one",),
    ]
    with pytest.raises(UserError, match="lines is 'x'; choose one of captions, joined"):
        ImageTextFiles(str(tmp_path), lines="x")


WRONG = {
    "number": ({"caption": 7}, "'caption' is a number (7), not a text"),
    "zero": ({"caption": 0}, "'caption' is a number (0), not a text"),
    "NaN": ({"caption": float("nan")}, "'caption' is NaN, not a text"),
    "false": ({"caption": False}, "'caption' is false, not a text"),
    "object": ({"caption": {"raw": "a"}}, "'caption' is an object, not a text"),
    "null in a list": ({"captions": ["a", None]}, "'captions' holds null, not a text"),
    "empty in a list": ({"captions": ["a", " "]}, "'captions' holds an empty text, not a text"),
    "a list": (["a"], "is a list, not an object with a caption"),
    "no JSON": ("{", "not valid JSON"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_caption_that_is_no_text_is_refused(tmp_path, name):
    content, message = WRONG[name]
    write(tmp_path, a_jpg=1, a_json=content, b_jpg=2, b_txt="fine")
    with pytest.raises(UserError) as raised:
        ImageTextFiles(str(tmp_path))
    assert f"a.json: {message}" in str(raised.value)


def test_all_problems_are_named_at_once(tmp_path):
    write(tmp_path, a_jpg=1, a_png=2, a_txt="shared", b_jpg=3, b_json={"caption": 1}, d_jpg=5, d_txt="fine")
    (tmp_path / "c.jpg").write_bytes(picture(1))
    (tmp_path / "c.txt").write_bytes("Mädchen".encode("latin-1"))
    with pytest.raises(UserError) as raised:
        ImageTextFiles(str(tmp_path))
    lines = str(raised.value).splitlines()
    assert lines[0] == f"{tmp_path}: 3 problems; correct or remove these records:" and len(lines) == 4
    assert lines[1].startswith("  a.png: another image has the same name without its suffix")
    assert (
        lines[2] == "  b.json: 'caption' is a number (1), not a text" and "c.txt: not UTF-8 text" in lines[3]
    )


@pytest.mark.parametrize(
    "extra", [{}, {"a_txt": " \n"}, {"a_json": {"caption": None}}, {"a_json": {"key": "1"}}], ids=str
)
def test_a_folder_without_any_text_is_refused(tmp_path, extra):
    write(tmp_path, a_jpg=1, **extra)
    with pytest.raises(UserError, match=r"no image has a \.txt or \.json of the same name with its caption"):
        ImageTextFiles(str(tmp_path))


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="nowhere: no such image folder"):
        ImageTextFiles(str(tmp_path / "nowhere"))
