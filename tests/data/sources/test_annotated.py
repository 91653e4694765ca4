"""What captions, questions and pairs have in common: ids, notes, an empty file, mistakes of a reader."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from frozenvl.data.sources.captions import Captioned, Captions
from frozenvl.data.sources.pairs import Pair, Pairs
from frozenvl.data.sources.questions import Question, Questions
from frozenvl.util.errors import UserError

ROWS = {
    Captions: lambda key: Captioned(key, "a.jpg", ("a",)),
    Questions: lambda key: Question(key, "a.jpg", "a?", ("b",), "b", {}),
    Pairs: lambda key: Pair(key, "a.jpg", "a", ("b",)),
}
NOUNS = {
    Captions: ("image", "images"),
    Questions: ("question", "questions"),
    Pairs: ("item", "captions with foils"),
}


@pytest.fixture(params=ROWS, ids=lambda base: base.__name__)
def base(request):
    return request.param


def rows_of(base, path: Path, *keys: str, mistake: bool = False) -> list:
    """Reads records of some ids by a class of its own, with a mistake in its reader if asked for one."""

    class Own(base):
        layout = "rows"

        @classmethod
        def read(cls, file, **options):
            for row in file.records():
                if row.raw("skip"):
                    file.notes["rows skipped"] += 1
                else:
                    yield ROWS[base](row.identity("id") if mistake else row.id("id"))

    path.write_text(json.dumps([{"id": key.strip("-"), "skip": key.startswith("-")} for key in keys]))
    notes: Counter[str] = Counter()
    return [[row.id for row in Own.annotated(path, notes)], notes]


def test_rows_are_read_with_the_notes_of_their_file(base, tmp_path):
    assert rows_of(base, tmp_path / "a.json", "1", "-2", "3") == [["1", "3"], {"rows skipped": 1}]


def test_an_id_that_stands_twice_is_refused(base, tmp_path):
    with pytest.raises(UserError, match=f"a.json: {NOUNS[base][0]} 1 stands twice"):
        rows_of(base, tmp_path / "a.json", "1", "2", "1")


def test_a_file_without_rows_says_what_was_left_out(base, tmp_path):
    with pytest.raises(UserError, match=rf"a.json: lists no {NOUNS[base][1]} \(1 rows skipped\)"):
        rows_of(base, tmp_path / "a.json", "-1")


def test_a_mistake_in_a_reader_is_reported_as_its_own(base, tmp_path):
    with pytest.raises(UserError, match=r"Own.read fails on .*a.json: AttributeError: .*--debug"):
        rows_of(base, tmp_path / "a.json", "1", mistake=True)
