"""Files: lines of JSON that stay lines, and those that were cut off."""

from __future__ import annotations

import json

import pytest

from frozenvl.util.files import as_line, read_lines

ODD = "a\u2028b \u2029 c\x85d \r e \x1c f \0"
"""All that ends a line for somebody."""


@pytest.mark.parametrize("text", ["plain", "é ü", ODD, '"\\'])
def test_a_line_of_json_is_one_line(text):
    assert json.loads(as_line({"text": text})) == {"text": text}
    assert len(as_line({"text": text}).splitlines()) == 1


def test_lines_are_read_as_far_as_they_were_written(tmp_path):
    whole = '{"id": "1"}\n{"id": "é"}\n'.encode()
    for cut in range(len(whole) + 1):
        (tmp_path / "part").write_bytes(whole[:cut])
        found = list(read_lines(tmp_path / "part"))
        assert found == [{"id": "1"}, {"id": "é"}][: (cut >= 11) + (cut >= len(whole) - 1)]
