"""Tables: a row for each caption, and a record where captions are not all."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from every_source import small
from toy import Rows, Square, question

from frozenvl.data.convert import convert
from frozenvl.data.shards.record import as_record
from frozenvl.prompt import Example


def rows(folder: Path) -> list[list[str]]:
    with (folder / "captions.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_captions_are_a_row_each_without_more(tmp_path):
    convert(small("KarpathyCaptions", tmp_path), tmp_path / "made", "table")
    one, two = (f"COCO_train2014_{n:012}.jpg" for n in (1, 2))
    assert rows(tmp_path / "made") == [
        ["image", "caption", "id"],
        [one, "A dog 1.", "1"],
        [one, "A dog runs.", "1"],
        [two, "A dog 2.", "2"],
        [two, "A dog runs.", "2"],
    ]
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["captions.csv", "images"]


def test_fields_are_quoted(tmp_path):
    convert(
        Rows(Example("7", Square("a, b.png"), "a, b.png", ('a "big", red dog',))), tmp_path / "made", "table"
    )
    assert (tmp_path / "made" / "captions.csv").read_bytes() == (
        b'image,caption,id\r\n"a, b.png","a ""big"", red dog",7\r\n'
    )


def test_long_texts_and_commas_stay_whole(tmp_path):
    text = "x, " * 100_000 + ","
    convert(Rows(Example("7", Square("a.png"), "a.png", (text, "b,"))), tmp_path / "made", "table")
    lines = (tmp_path / "made" / "captions.csv").read_bytes().decode().split("\r\n")
    assert lines == ["image,caption,id", f'a.png,"{text}",7', 'a.png,"b,",7', ""]


def test_an_example_with_more_than_captions_is_one_row_with_its_record(tmp_path):
    asked = question(1, answer="yes")
    plain = Example("7", Square("a.png"), "a.png", ("a dog", "the dog"))
    convert(Rows(plain, asked), tmp_path / "made", "table")
    assert rows(tmp_path / "made")[:3] == [
        ["image", "caption", "id", "frozenvl"],
        ["a.png", "a dog", "7", ""],
        ["a.png", "the dog", "7", ""],
    ]
    *public, record = rows(tmp_path / "made")[3]
    assert public == ["1.png", "yes", "q1"] and json.loads(record) == as_record(asked) | {"image_id": ""}


def test_a_second_example_of_an_image_is_told_from_the_first(tmp_path):
    convert(small("ConceptualCaptions", tmp_path), tmp_path / "made", "table")
    made = rows(tmp_path / "made")[1:]
    assert [row[:3] for row in made] == [
        ["a.jpg", "a dog", "1"],
        ["a.jpg", "the dog, again", "2"],
        ["b.jpg", "a cat", "3"],
    ]
    assert [bool(row[3]) for row in made] == [False, True, False]
