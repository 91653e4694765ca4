"""Scanning of tars for the positions of images and texts, whichever program wrote them."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest
import webdataset
from shard_files import scanned
from tars import picture, sample, write_tar

from frozenvl.data.shards.keys import parse_keys
from frozenvl.data.shards.rows import Form
from frozenvl.data.shards.scan import Scan, scan
from frozenvl.util.errors import UserError


def content(path: Path, offset: int, size: int) -> bytes:
    return path.read_bytes()[offset : offset + size]


def test_a_row_has_the_positions_of_its_image_and_text(tmp_path):
    path = write_tar(tmp_path / "a.tar", sample(0) + sample(1, "two dogs"))
    found = scanned(path)
    assert found.keys == ["000000000", "000000001"]
    assert (found.broken, found.notes.counts, found.size) == ("", {}, path.stat().st_size)
    row = found.rows[1]
    assert content(path, row["image"], row["image_size"]) == picture(1)
    assert content(path, row["words"], row["words_size"]) == b"two dogs"
    assert (row["form"], found.suffixes[row["suffix"]], row["texts"]) == (Form.TEXT, "jpg", 1)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_non_ascii_names_are_read_in_every_tar_format(tmp_path, form):
    name = "ü" * 60 + "/x" if form == tarfile.USTAR_FORMAT else "ü" * 90 + "/" + "y" * 150
    path = write_tar(tmp_path / "a.tar", [(f"{name}.JPG", picture()), (f"{name}.txt", "a")], format=form)
    found = scanned(path)
    assert found.keys == [name]
    assert content(path, found.rows[0]["image"], found.rows[0]["image_size"]) == picture()


HOSTILE = [
    "../../etc/passwd.jpg",
    "/etc/shadow.jpg",
    "a/../b.jpg",
    "new\nline.jpg",
    "tab\t\x1b[31m.jpg",
    "not\udcffutf8.jpg",
    "é.tar.gz/c.jpg",
]


def test_hostile_names_are_only_escaped_keys(tmp_path, monkeypatch):
    path = write_tar(tmp_path / "a.tar", [(name, picture(i)) for i, name in enumerate(HOSTILE)])
    monkeypatch.chdir(tmp_path)
    found = scanned(path)
    assert len(found.rows) == len(HOSTILE) and all(key.isprintable() for key in found.keys)
    assert found.keys[:4] == ["../../etc/passwd", "/etc/shadow", "a/../b", "new\\nline"]
    assert [each.name for each in tmp_path.iterdir()] == ["a.tar"]


def test_links_devices_and_files_without_a_suffix_are_counted(tmp_path):
    odd = []
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
        member = tarfile.TarInfo("0.jpg")
        member.type, member.linkname = kind, "/etc/passwd"
        odd.append(("", member))
    more = [("README", "hello"), ("notes.md", "hello"), (".hidden.jpg", picture())]
    found = scanned(write_tar(tmp_path / "a.tar", odd + more + sample(7)))
    assert found.keys == ["000000007"]
    assert found.notes.lines() == [  # folders are not counted
        "7 members ignored (not a plain file: 4, without a suffix: 1, hidden file: 1, md: 1)"
    ]


def test_samples_are_grouped_as_by_the_webdataset_library(tmp_path):
    names = [
        "a.jpg",
        "a.txt",
        "b.x/c.jpg",
        "b.x/c.txt",
        "b.x/d.one.jpg",
        "e.JPG",
        "e.Txt",
        ".f.jpg",
        "g",
        "a.jpg",
    ]
    path = write_tar(tmp_path / "a.tar", [(name, picture()) for name in names])
    theirs = list(webdataset.WebDataset(str(path), shardshuffle=False))
    suffixes = [{key for key in each if not key.startswith("__")} for each in theirs]
    ours = scanned(path)
    assert [each["__key__"] for each in theirs] == ["a", "b.x/c", "b.x/d", "e", "a"]
    usable = [i for i, each in enumerate(suffixes) if each & {"jpg", "txt"}]
    assert ours.keys == ["a", "b.x/c", "e", "a#2"]
    assert [bool(row["image"]) for row in ours.rows] == ["jpg" in suffixes[i] for i in usable]


def test_tars_of_the_webdataset_library_are_read(tmp_path):
    path = tmp_path / "theirs.tar"
    with webdataset.TarWriter(str(path)) as writer:
        for number in range(3):
            writer.write(
                {"__key__": f"k{number}", "png": picture(number, kind="PNG"), "txt": f"text {number}"}
            )
    found = scanned(path)
    assert found.keys == ["k0", "k1", "k2"]
    row = found.rows[2]
    assert content(path, row["image"], row["image_size"]) == picture(2, kind="PNG")
    assert content(path, row["words"], row["words_size"]) == b"text 2"


def test_a_sample_without_an_image_keeps_its_row(tmp_path):
    found = scanned(write_tar(tmp_path / "a.tar", [*sample(0), ("1.txt", "alone"), *sample(2)]))
    assert len(found.rows) == 3 and found.rows["image"].astype(bool).tolist() == [True, False, True]
    assert found.notes.lines() == ["1 samples without an image"]


def test_equal_keys_become_distinct(tmp_path):
    found = scanned(
        write_tar(tmp_path / "a.tar", sample(3) * 3 + [("000000003#2.jpg", picture())] + sample(3))
    )
    assert found.keys == ["000000003", *(f"000000003#{n}" for n in (2, 3)), "000000003#2#2", "000000003#4"]
    assert found.notes.counts["repeated keys"] == 4


def test_truncation_and_damage_are_reported_with_their_byte(tmp_path):
    whole = write_tar(tmp_path / "a.tar", sample(0) + sample(1)).read_bytes()
    last = scanned(tmp_path / "a.tar").rows[1]
    image, text = int(last["image"]), int(last["words"])

    def cut(size: int) -> Scan:
        (tmp_path / "b.tar").write_bytes(whole[:size])
        return scanned(tmp_path / "b.tar")

    middle = cut(image + 100)  # in the image: the member is listed, its content is missing
    assert middle.broken == f"is truncated at byte {image + 100}"
    assert middle.keys == ["000000000", "000000001"] and not middle.rows[1]["image"]
    assert cut(image - 200).broken == f"is truncated at byte {image - 200}"  # in a header
    assert cut(text + 512).broken == f"is truncated at byte {text + 512}"  # between two members
    assert cut(len(whole) - 1024).broken == ""  # only padding is missing

    def damaged(at: int, *more: bytes) -> str:
        (tmp_path / "b.tar").write_bytes(whole[:at] + b"?" * 8 + whole[at + 8 :] + b"".join(more))
        return scanned(tmp_path / "b.tar").broken

    assert damaged(text - 512) == f"is damaged at byte {text - 512}"
    (tmp_path / "b.tar").write_bytes(whole + whole)
    assert "holds more data behind its end" in scanned(tmp_path / "b.tar").broken


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(b"x"), "x.tar: compressed .gzip., .*; unpack it"),
        (b"<html>" * 200, "x.tar: not a tar .*; download it again"),
        (b"", r"x.tar: is empty \(0 bytes\); remove it, or download it again"),
        (b"PAR1" * 200, "x.tar: Parquet, but Shards reads tars; use HuggingFaceData"),
    ],
    ids=["gzip", "html", "empty", "parquet"],
)
def test_a_file_that_is_no_tar_is_one_error_line(data, message):
    with pytest.raises(UserError, match=message):
        scan(io.BytesIO(data), "x.tar", parse_keys())
