"""Encodings and compressions of text files."""

from __future__ import annotations

import gzip
import zipfile

import pytest

from frozenvl.util.errors import UserError
from frozenvl.util.text_files import read_text

TEXT = "größe\n日本\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_text_is_read_in_its_encoding(tmp_path, encoding, pack):
    (tmp_path / "a").write_bytes(pack(TEXT.encode(encoding)))
    assert read_text(tmp_path / "a") == TEXT


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TEXT.encode("latin-1", "replace"), r"a: not UTF-8 text \(.* at byte 2, line 1\); convert it.*iconv"),
        (b"a\nb\xff", r"not UTF-8 text \(.* at byte 3, line 2\)"),
        (gzip.compress(b"a" * 999, mtime=0)[:20], r"a: a damaged gzip file \(.*\); download it again"),
        (b"\x28\xb5\x2f\xfd....", r"a: compressed with zstd, not a text file; unpack it \(zstd -d\)"),
        (b"PAR1....", "a: a Parquet file, not a text file; read it with the source HuggingFaceData"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a: a binary file, not a text file; check the path"),
        (bytes(257) + b"ustar", "a: a tar, not a text file; read it with the source Shards"),
        (None, r"a: cannot be read \(No such file"),
    ],
)
def test_what_is_no_text_is_named_with_the_remedy(tmp_path, content, message):
    if content is not None:
        (tmp_path / "a").write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        read_text(tmp_path / "a")
    assert "\n" not in str(error.value)


def test_a_zip_archive_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.json", "{}")
    with pytest.raises(UserError, match="a zip archive, not a text file; unpack it"):
        read_text(tmp_path / "a.zip")
