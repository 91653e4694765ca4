"""Lists of texts and labels in files and on standard input."""

from __future__ import annotations

import io
import sys

import pytest

from frozenvl.retrieval.text_lists import STDIN, check_labels, read_texts
from frozenvl.util.errors import UserError


def test_a_text_in_each_line_without_space_around_it(tmp_path, monkeypatch):
    content = "\ufeff a dog \r\n\n  \nein Hund im Schnee\u2028hier\n"
    (tmp_path / "t.txt").write_bytes(content.encode())
    expected = (["a dog", "ein Hund im Schnee\u2028hier"], 2)
    assert read_texts(tmp_path / "t.txt") == expected
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    assert read_texts(STDIN) == expected


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_a_file_without_text_is_refused(tmp_path, monkeypatch, content):
    (tmp_path / "t.txt").write_bytes(content)
    with pytest.raises(UserError, match=r"t.txt: holds no text; write one in each line"):
        read_texts(tmp_path / "t.txt")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    with pytest.raises(UserError, match="standard input: holds no text"):
        read_texts(STDIN)


def test_labels_are_checked():
    assert check_labels(["cat ", "dog"], "f") == ["cat", "dog"]
    with pytest.raises(UserError, match=r"f: the label 'cat' stands there twice \(1 and 3\); remove one"):
        check_labels(["cat", "dog", " cat"], "f")
    with pytest.raises(UserError, match="f: label 2 is empty"):
        check_labels(["cat", " "], "f")
    with pytest.raises(UserError, match="f: 1 label; a choice needs at least two"):
        check_labels(["cat"], "f")
