"""Files: atomic writing, and errors in one line."""

from __future__ import annotations

import errno
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from frozenvl.util.errors import RunError, UserError
from frozenvl.util.files import (
    as_line,
    cannot_write,
    read_json,
    read_lines,
    whole_file,
    write_atomically,
    write_once,
)

ODD = "a\u2028b \u2029 c\x85d \r e \x1c f \0"
"""Text with all characters that end a line in some program."""


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_file_is_replaced_and_its_folder_made(tmp_path):
    path = tmp_path / "new" / "a.txt"
    write_atomically(path, "ü")
    write_atomically(path, b"longer than before")
    assert path.read_bytes() == b"longer than before" and names(path.parent) == ["a.txt"]


def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(KeyError), whole_file(path) as file:
        file.write(b"new")
        raise KeyError
    assert path.read_text() == "old" and names(tmp_path) == ["a"]


def test_a_file_that_cannot_be_written_is_one_error_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file/a: cannot be written \(.*\); check the folder"):
        write_atomically(tmp_path / "file" / "a", "")
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(RunError, match=r"a: cannot be written \(No space left on device\); free some space"):
        raise cannot_write(Path("a"), full)


def test_only_one_of_many_threads_writes_a_file(tmp_path):
    path = tmp_path / "a"
    with ThreadPoolExecutor(8) as pool:
        wrote = list(pool.map(lambda n: write_once(path, f"{n}" * 999), range(8)))
    assert wrote.count(True) == 1
    assert path.read_text() == str(wrote.index(True)) * 999 and names(tmp_path) == ["a"]


def test_json_and_json_lines_are_read(tmp_path):
    (tmp_path / "a.json").write_text('{"a": "ü"}', encoding="utf-8")
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n\n[2]\n')
    assert read_json(tmp_path / "a.json") == {"a": "ü"}
    assert read_json(tmp_path / "a.jsonl") == [{"a": 1}, [2]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"a.json: cannot be read \(No such file"),
        (b"{", r"a.json: not valid JSON \("),
        (b"\xff\xfe\x00", r"a.json: not UTF-16 text \(.* at byte 2, line 1\)"),
        (b'{"a": 1}\n{"b": ', r"a.json: not valid JSON \("),
        (b"[" * 100000, r"a.json: not valid JSON \(nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_error_line(tmp_path, content, message):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        read_json(path)
    assert "\n" not in str(error.value)


def test_an_incomplete_last_line_is_left_out(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"a": 1}\n{"a": 2}\n{"a": \xff')
    assert list(read_lines(tmp_path / "a.jsonl")) == [{"a": 1}, {"a": 2}]
    assert list(read_lines(tmp_path / "nowhere.jsonl")) == []


@pytest.mark.parametrize("text", ["plain", "é ü", ODD, '"\\'])
def test_json_is_written_on_one_line(text):
    assert json.loads(as_line({"text": text})) == {"text": text}
    assert len(as_line({"text": text}).splitlines()) == 1


def test_a_truncated_file_gives_its_complete_lines(tmp_path):
    whole = '{"id": "1"}\n{"id": "é"}\n'.encode()
    for cut in range(len(whole) + 1):
        (tmp_path / "part").write_bytes(whole[:cut])
        found = list(read_lines(tmp_path / "part"))
        assert found == [{"id": "1"}, {"id": "é"}][: (cut >= 11) + (cut >= len(whole) - 1)]
