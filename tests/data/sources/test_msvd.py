"""MSVD as published: the text file of all descriptions, and the table of the corpus."""

from __future__ import annotations

import pytest
from clips import videos
from published_layouts import recognised

from frozenvl.data.sources.msvd import MSVD
from frozenvl.util.errors import UserError

TEXT = """# MSVD
-4ws_5_15 a squirrel is eating  a nut
-4ws_5_15 a squirrel eats
mv89_0_9 a man plays
-4ws_5_15 a squirrel eats
"""
TABLE = """VideoID,Start,End,WorkerID,Source,AnnotationTime,Language,Description
mv89,0,9,588702,unverified,55,Slovene,Papagaj se umiva.
mv89,0,9,588702,clean,55,English,"A bird, bathing."
mv89,0,9,588702,clean,55,English,
-4ws,5,15,588702,clean,55,English,A squirrel eats.
"""


def read(folder, text=TEXT, name="AllVideoDescriptions.txt", **options):
    (folder / name).write_bytes(text.encode())
    return MSVD(str(folder / name), videos(folder, "-4ws_5_15.avi", "mv89_0_9.avi"), **options)


def test_captions_of_a_clip_are_joined(tmp_path):
    source = read(tmp_path)
    assert [(e.id, e.image.name, e.references) for e in source] == [
        ("-4ws_5_15", "-4ws_5_15.avi", ("a squirrel is eating a nut", "a squirrel eats", "a squirrel eats")),
        ("mv89_0_9", "mv89_0_9.avi", ("a man plays",)),
    ]
    assert source.notes == {"captions that their image has twice": 1}


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_lines_end_as_people_have_them(tmp_path, end):
    assert [e.references for e in read(tmp_path, TEXT.replace("\n", end))] == [
        e.references for e in read(tmp_path)
    ]
    table = read(tmp_path, TABLE.replace("\n", end), "corpus.csv")
    assert [e.references for e in table] == [e.references for e in read(tmp_path, TABLE, "corpus.csv")]


def test_captions_of_one_language_of_the_table(tmp_path):
    source = read(tmp_path, TABLE, "corpus.csv")
    assert [(e.id, e.references) for e in source] == [
        ("mv89_0_9", ("A bird, bathing.",)),
        ("-4ws_5_15", ("A squirrel eats.",)),
    ]
    assert source.notes == {"captions in other languages": 1, "captions that are empty": 1}
    assert [e.references for e in read(tmp_path, TABLE, "corpus.csv", language="Slovene")] == [
        ("Papagaj se umiva.",)
    ]


def test_named_clips_are_read(tmp_path):
    (tmp_path / "test_list.txt").write_text("mv89_0_9.avi\n")
    source = read(tmp_path, names=str(tmp_path / "test_list.txt"))
    assert [e.id for e in source] == ["mv89_0_9"] and source.notes["captions of other videos"] == 3
    (tmp_path / "test_list.txt").write_text("mv89_0_9\nnone_1_2\n")
    with pytest.raises(UserError, match=r"1 of its 2 clips have no caption in .*, such as none_1_2"):
        read(tmp_path, names=str(tmp_path / "test_list.txt"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{TEXT}a caption alone\n", "line 6 .'a caption alone'. is no clip with a caption"),
        ("a caption alone\n", "not MSVD's captions .its first line is no clip"),
        ('{"a": 1}', "not MSVD's captions .it is JSON"),
        (TABLE + "mv 89,0,9,1,clean,5,English,x\n", "line 6: 'mv 89_0_9' is no name of a clip"),
        (TABLE + "mv89,0,9\n", "line 6 has 3 fields, the header 8"),
        ("# nothing\n", "lists no videos"),
    ],
)
def test_other_files_are_refused(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, text)


def test_it_recognises_its_own_files_only():
    assert recognised(MSVD) == {"MSVD", "MSVD table"}
