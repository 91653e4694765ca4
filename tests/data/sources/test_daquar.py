"""DAQUAR's text files."""

from __future__ import annotations

import gzip

import pytest
from published_layouts import recognised
from vqa_files import write

from frozenvl.data.sources.daquar import DAQUARQuestions
from frozenvl.data.sources.vqa import VQAQuestions
from frozenvl.util.errors import UserError

LINES = [
    "what is on the desk in the image3 ?",
    "book, scissor, tape_dispenser",
    "what is the largest brown object in this image3 ?",
    "carton",
    "what is found near the books in front of the mirror in image982 ?",
    "remote_control",
    "what is present to the left of the image1007 in the image1007 ?",
    "clothing_drying_rack",
    "what is the object on the left side of the image985 ?",
    "bed",
]


def daquar(folder, lines=LINES, **more) -> DAQUARQuestions:
    write(folder, "unused.json", None)
    (folder / "qa.894.raw.train.txt").write_bytes("\n".join([*lines, ""]).encode())
    return DAQUARQuestions(str(folder / "qa.894.raw.train.txt"), str(folder / "images"), **more)


def test_questions_and_answers_are_read(tmp_path):
    source = daquar(tmp_path)
    assert [(e.id, e.image.name, e.question, e.answer) for e in source] == [
        ("1", "image3.png", "what is on the desk ?", "book, scissor, tape_dispenser"),
        ("2", "image3.png", "what is the largest brown object ?", "carton"),
        ("3", "image982.png", "what is found near the books in front of the mirror ?", "remote_control"),
        ("4", "image1007.png", "what is present to the left of the image ?", "clothing_drying_rack"),
        ("5", "image985.png", "what is the object on the left side of the image ?", "bed"),
    ]
    assert [e.references for e in source] == [(e.answer,) for e in source]
    assert daquar(tmp_path, image_name="image{image_id:04d}.jpg")[0].image.name == "image0003.jpg"
    with pytest.raises(UserError, match="names one image for all"):
        daquar(tmp_path, image_name="image.png")


def test_the_last_image_of_a_question_is_its_image(tmp_path):
    source = daquar(tmp_path, ["what is behind the image10 on the wall in the image12 ?", "door"])
    assert daquar(tmp_path, ["what is on the wall in image12", "door"])[0].question == "what is on the wall"
    assert (source[0].image.name, source[0].question) == (
        "image12.png",
        "what is behind the image on the wall ?",
    )


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: gzip.compress(text.encode()),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\n\n", 2).encode().replace(b"?\n\n", b"?\n") + b"\n\n",
    ],
    ids=["mark", "utf-16", "gzip", "crlf", "empty lines between pairs"],
)
def test_text_files_as_people_have_them(tmp_path, encode):
    expected = [(e.id, e.question, e.answer) for e in daquar(tmp_path)]
    path = tmp_path / "qa.txt"
    path.write_bytes(encode("\n".join([*LINES, ""])))
    assert [
        (e.id, e.question, e.answer) for e in DAQUARQuestions(str(path), str(tmp_path / "images"))
    ] == expected


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (LINES[:3], "line 3: no answer follows 'what is the largest brown object in this image3 ?'"),
        ([*LINES[:2], *LINES[2:3], *LINES[4:]], "line 3: no answer follows 'what is the largest"),
        ([*LINES[:2], "what is red ?", "cup", *LINES[2:]], "line 3: 'what is red ?' names no image"),
        ([*LINES[:2], "lamp", *LINES[2:]], "line 3: 'lamp' names no image"),
        ([*LINES[:3], "", *LINES[4:]], "line 3: no answer follows"),
    ],
    ids=["odd number", "missing answer", "no image", "second answer", "empty answer"],
)
def test_a_line_out_of_place_is_named_alone(tmp_path, lines, problem):
    """The lines after it are not counted as wrong."""
    with pytest.raises(UserError) as error:
        daquar(tmp_path, lines)
    assert problem in str(error.value) and str(error.value).endswith("; correct or remove it")


def test_all_lines_out_of_place_are_named_at_once(tmp_path):
    with pytest.raises(UserError, match="2 problems") as error:
        daquar(tmp_path, ["what is red ?", "cup", *LINES, "where is the image4 ?"])
    assert "\n  line 1: " in str(error.value) and "\n  line 13: no answer" in str(error.value)


def test_files_in_another_layout_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"not DAQUAR's text file .no line names an image"):
        daquar(tmp_path, ["a dog\t1.jpg"])
    with pytest.raises(UserError, match=r"not DAQUAR's text file .it is an object.*use VQAQuestions"):
        DAQUARQuestions(
            write(tmp_path, "q.json", {"questions": [{"question_id": 1, "question": "Q"}]}),
            str(tmp_path / "images"),
        )
    daquar(tmp_path)
    with pytest.raises(UserError, match=r"not VQA questions JSON .*use DAQUARQuestions"):
        VQAQuestions(str(tmp_path / "qa.894.raw.train.txt"), None, str(tmp_path / "images"))


def test_only_its_own_layout_is_recognised():
    assert recognised(DAQUARQuestions) == {"DAQUAR"}
