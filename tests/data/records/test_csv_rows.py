from pathlib import Path

import pytest

from frozenvl.data.records.csv_rows import csv_rows, header_of
from frozenvl.util.errors import UserError


def rows(text, *columns):
    return [*csv_rows(Path("a.csv"), text, columns)]


@pytest.mark.parametrize("separator", [",", "\t"])
def test_fields_are_found_by_the_names_of_their_columns(separator):
    text = "\n".join(
        separator.join(row) for row in (("id", " name "), ("1", '"a, ""b"""'), ("2", '"two\nlines"'))
    )
    assert rows(f"{text}\r\n\n", "name") == [
        (2, {"id": "1", "name": 'a, "b"'}),
        (4, {"id": "2", "name": "two\nlines"}),
    ]


def test_the_header_of_a_table():
    assert header_of('id, b,"c, d"\n1,2,3') == ["id", "b", "c, d"]
    assert header_of("id\ta, b\tc\n") == ["id", "a, b", "c"] and header_of("") == []
    assert header_of("id,name\r1,a\r") == ["id", "name"] and header_of("\n") == header_of("x" * 200_000) == []


def test_lines_may_end_in_carriage_returns():
    assert rows("id,name\r1,a\r2,b\r", "id") == rows("id,name\n1,a\n2,b\n", "id")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,text\n1,a\n", "a.csv: has no column 'name', but 'id', 'text'"),
        ("", "a.csv: has no column 'name', but nothing"),
        ("id,name\n1,a,b\n", "a.csv: line 2 has 3 fields, the header 2; correct it"),
        ("id,name\n1,a\n2\n", "a.csv: line 3 has 1 fields, the header 2; correct it"),
    ],
)
def test_other_tables_are_refused(text, message):
    with pytest.raises(UserError) as refused:
        rows(text, "name")
    assert str(refused.value) == message
