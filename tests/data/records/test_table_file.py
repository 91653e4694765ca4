"""Rows of a table on the disk."""

from __future__ import annotations

import gzip
import pickle

import pytest

from frozenvl.data.records import table_file
from frozenvl.data.records.table_file import TableFile
from frozenvl.util.errors import UserError

ROWS = [["a", "1.jpg"], ["ü, b", "2.jpg"], ["c", "3.jpg"]]
TEXT = "".join("\t".join(row) + "\n" for row in ROWS)


def read(folder, data: bytes, **known) -> TableFile:
    (folder / "t").write_bytes(data)
    return TableFile(folder / "t", lambda fields: False, **known)


@pytest.mark.parametrize("chunk", [1, 5, 2**24])
@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.strip().encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        gzip.compress(TEXT.encode("utf-8-sig")),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        TEXT.replace("ü, b", '"ü, b"').replace("\t", ",").encode(),
    ],
    ids=["utf-8", "no-end", "bom", "utf-16", "gzip", "crlf", "cr", "quoted"],
)
def test_rows_are_found(tmp_path, monkeypatch, data, chunk):
    monkeypatch.setattr(table_file, "CHUNK", chunk)
    file = read(tmp_path, data)
    assert list(file) == list(pickle.loads(pickle.dumps(file))) == ROWS
    assert (len(file), file.width, file[-1]) == (3, 2, ROWS[-1])


def test_a_table_on_the_disk_is_not_pickled(tmp_path):
    file = read(tmp_path, TEXT.encode() * 1000)
    assert len(pickle.dumps(file)) < 9 * len(file) + 1000


def test_rows_of_other_quotation_marks_have_no_fields(tmp_path):
    assert read(tmp_path, b'a,"b\nc,"d"\n', separator=",", quoted=True)[0] is None


@pytest.mark.parametrize(
    ("data", "known", "message"),
    [
        (b"", {}, "t: lists no pairs"),
        (b"\xef\xbb\xbf \n\n", {}, "t: lists no pairs"),
        (b"a\tb\n", {"separator": ";"}, "t: separator ';' divides none of its first rows"),
        (b"a\tb\n", {"separator": "::"}, "separator '::': not one character"),
        (b"a\tb\n", {"separator": '"'}, "not one character"),
        (b"a\tb\n", {"separator": "\u00a6"}, "not one character"),
        (b'{"images": [{"id": 1, "file_name": "x"}], "annotations": [{"caption": "a", "image_id": 1}]}', {},
         "t: JSON, not a table; this is COCO captions JSON: use CocoCaptions"),
        (b'{"a": 1}\n{"a": 2}\n', {}, "t: JSON, not a table; no source reads this layout"),
        (b"a\0\tb\0\n\0", {}, "t: not UTF-8 text"),
        (b"\xff\xfea", {}, "t: not UTF-16 text"),
        (b"PAR1....", {}, "t: a Parquet file"),
    ],
    ids=range(11),
)  # fmt: skip
def test_other_files_are_refused(tmp_path, data, known, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, data, **known)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"t: no such table; .*--data.root"):
        TableFile(tmp_path / "t", lambda fields: False)


@pytest.mark.parametrize("separator", ["\t", "tab", "\\t"])
def test_tab_may_be_spelled(tmp_path, separator):
    assert read(tmp_path, b"a;b\tc;d\n", separator=separator)[0] == ["a;b", "c;d"]


def test_a_row_may_begin_like_json(tmp_path):
    assert read(tmp_path, b'["a dog"]\t1.jpg\n')[0] == ['["a dog"]', "1.jpg"]
