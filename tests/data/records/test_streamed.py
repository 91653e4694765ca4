"""Large JSON files, whose long lists are parsed record by record."""

from __future__ import annotations

import gzip
import json
from itertools import islice

import pytest

from frozenvl.data.records import json_text, streamed
from frozenvl.data.records.streamed import (
    StreamedList,
    StreamedObject,
    beginning,
    in_memory,
    is_list,
    is_object,
    stream,
)
from frozenvl.util.errors import UserError
from frozenvl.util.files import read_json

LONG, OTHER = [{"id": n, "text": "ü" * (n % 5)} for n in range(1000)], [{"b": n} for n in range(400)]
CONTENT = {"info": {"year": 1}, "first": LONG, "short": [1, 2], "other": OTHER, "end": "x"}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Streams files of any size, in small pieces."""
    monkeypatch.setattr(streamed, "MIN_BYTES", 0)
    monkeypatch.setattr(json_text, "CHUNK", 100)


@pytest.fixture
def written(tmp_path):
    def write(content, name="a.json", encoding="utf-8", pack=bytes):
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        (tmp_path / name).write_bytes(pack(text.encode(encoding)))
        return tmp_path / name

    return write


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("content", [CONTENT, LONG])
def test_the_content_is_that_of_a_file_read_at_once(written, content, encoding, pack):
    path = written(content, encoding=encoding, pack=pack)
    assert in_memory(stream(path)) == read_json(path) == content


def test_only_long_lists_stay_in_the_file(written):
    content = stream(written(CONTENT))
    kinds = {key: type(value) for key, value in content.items()}
    assert kinds == {"info": dict, "first": StreamedList, "short": list, "other": StreamedList, "end": str}
    assert (
        is_object(content) and is_list(content["first"]) and is_list(content["short"]) and len(content) == 5
    )
    assert "none" not in content and content.get("none") is None and content["first"]
    assert beginning(content)["first"] == LONG[: streamed.HEAD + 1] and beginning(content)["end"] == "x"
    assert is_list(beginning(content)["first"]) and beginning(3) == 3


def test_a_list_is_iterated_any_number_of_times_and_from_several_places(written):
    rows = stream(written(CONTENT))["first"]
    first, second = iter(rows), iter(rows)
    assert [*islice(first, 500)] == LONG[:500]
    assert [*islice(second, 700)] == LONG[:700]
    assert [*first] == LONG[500:] and [*second] == LONG[700:] and [*rows] == LONG
    assert len(rows) == 1000 and rows[3] == LONG[3] and rows[-1] == LONG[-1] and rows[990:] == LONG[990:]


@pytest.mark.parametrize("taken", [0, 1, 300, 999, 1000])
@pytest.mark.parametrize(
    "asked", [len, lambda content: content["other"], lambda content: [*content["first"]]]
)
def test_an_iteration_goes_on_when_somebody_else_has_read_on(written, taken, asked):
    content = stream(written(CONTENT))
    rows = iter(content["first"])
    begun = [*islice(rows, taken)]
    asked(content)
    assert [*begun, *rows] == LONG and [*content["other"]] == OTHER


def test_one_pass_through_the_last_list_parses_the_file_once(written, monkeypatch):
    opened = []
    original = streamed._opened
    monkeypatch.setattr(streamed, "_opened", lambda path: (opened.append(path), original(path))[1])
    content = stream(written({"info": 1, "rows": LONG}))
    assert list(iter(content["rows"])) == LONG and len(content["rows"]) == 1000 and len(opened) == 1
    assert list(iter(content["rows"])) == LONG and len(opened) == 2


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [
        ("a.jsonl", '{"a": 1}\n', "utf-8"),
        ("a.json", '{"a": 1}', "utf-16"),
        ("a.json", "a text", "utf-8"),
        ("a.json", "[1, 2, 3]", "utf-8"),
        ("a.json", '["a', "utf-8"),
        ("a.json", "", "utf-8"),
    ],
)
def test_other_files_are_not_streamed(written, name, text, encoding):
    assert stream(written(text, name, encoding)) is None


def test_small_files_are_not_streamed(written, monkeypatch):
    path = written(CONTENT)
    assert isinstance(stream(path), StreamedObject)
    monkeypatch.setattr(streamed, "MIN_BYTES", path.stat().st_size + 1)
    assert stream(path) is None


@pytest.mark.parametrize("content", [CONTENT, LONG])
@pytest.mark.parametrize("cut", [0.3, 0.8, 0.999])
@pytest.mark.parametrize("end", ["", "}}", '{"a": nul}'])
def test_broken_json_is_told_as_if_it_had_been_read_at_once(written, content, cut, end):
    text = json.dumps(content)
    path = written(text[: int(cut * len(text))] + end)
    with pytest.raises(UserError) as expected:
        read_json(path)
    with pytest.raises(UserError) as told:
        in_memory(stream(path))
    assert str(told.value) == str(expected.value)


def test_text_behind_the_end_and_a_damaged_gzip_file_are_told(written):
    with pytest.raises(UserError, match="not valid JSON"):
        in_memory(stream(written(json.dumps(CONTENT) + " x")))
    with pytest.raises(UserError, match="damaged gzip"):
        in_memory(stream(written(LONG, pack=lambda data: gzip.compress(data)[:-200])))


def test_a_key_that_stands_twice_is_refused(written):
    text = json.dumps(CONTENT)
    with pytest.raises(
        UserError, match=r"a\.json: cannot be used \('info' stands twice in one object\); correct it"
    ):
        in_memory(stream(written(text[:-1] + ', "info": 3}')))


def test_a_file_that_changed_meanwhile_is_refused(written):
    rows = stream(written(LONG))
    assert [*rows] == LONG
    written(LONG[:500])
    with pytest.raises(UserError, match="has changed while it was read; start again"):
        list(rows)
