"""Conceptual Captions: tables of captions and image files."""

from __future__ import annotations

import pickle
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from frozenvl.data.sources import conceptual
from frozenvl.data.sources.conceptual import ConceptualCaptions
from frozenvl.util.errors import UnreadableImage, UserError


def read(folder, content: bytes) -> ConceptualCaptions:
    (folder / "images").mkdir(exist_ok=True)
    (folder / "pairs.tsv").write_bytes(content)
    return ConceptualCaptions(str(folder / "pairs.tsv"), str(folder / "images"))


@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("chunk", [1, 7, 2**20])
def test_rows_are_found_at_any_chunk_size_and_line_end(tmp_path, monkeypatch, end, chunk):
    monkeypatch.setattr(conceptual, "CHUNK", chunk)
    source = read(tmp_path, "a dog\t1.jpg\r\nein Käfer \t x/2.jpg\ntabs\tinside\t3.jpg".encode() + end)
    assert [
        (e.id, e.references, e.image.path.relative_to(tmp_path / "images").as_posix()) for e in source
    ] == [
        ("1", ("a dog",), "1.jpg"),
        ("2", ("ein Käfer",), "x/2.jpg"),
        ("3", ("tabs inside",), "3.jpg"),
    ]
    assert len(source) == source.pairs == 3 and source[-1] == source[2]
    with pytest.raises(IndexError):
        source[3]


def test_captions_with_odd_characters_are_read(tmp_path):
    long = "dog " * 25_000
    source = read(tmp_path, b"\xef\xbb\xbfa\0b\t1.jpg\n" + long.encode() + b"\t2.jpg\nlatin \xe9\t3.jpg\n")
    assert [e.references[0] for e in source] == ["a\0b", long.strip(), "latin \ufffd"]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (b"a caption alone", "no caption before a tab"),
        (b"", "no file after the caption"),
        (b"\t2.jpg", "no caption before a tab"),
        (b" \t2.jpg", "no caption before a tab"),
        (b"a caption\t ", "no file after the caption"),
        (b"a caption\t2\0.jpg", "no file after the caption"),
    ],
)
def test_a_bad_row_is_an_error_only_when_its_image_is_read(tmp_path, row, problem):
    source = read(tmp_path, b"a\t1.jpg\n" + row + b"\nb\t3.jpg\n")
    assert len(source) == 3 and source[2].references == ("b",)
    example = source[1]
    for use in (example.image.read, lambda: example.image.digest):
        with pytest.raises(
            UnreadableImage, match=f"^pairs.tsv, row 2: {problem}; correct or remove the row$"
        ):
            use()
    assert example.targets and example.image != source[2].image


@pytest.mark.parametrize("header", ["", "caption\turl\n"])
def test_a_table_of_urls_is_refused(tmp_path, header):
    with pytest.raises(UserError, match=r"holds addresses, not files; .* img2dataset, .* Shards"):
        read(tmp_path, f"{header}a dog\thttp://example.org/1.jpg\n".encode())


def test_an_empty_table_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"pairs.tsv: lists no pairs"):
        read(tmp_path, b"")


@pytest.mark.parametrize("missing", ["pairs.tsv", "images"])
def test_a_missing_file_or_folder_is_named(tmp_path, missing):
    read(tmp_path, b"a\t1.jpg\n")
    (tmp_path / missing).rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=f"{missing}: no such "):
        ConceptualCaptions(str(tmp_path / "pairs.tsv"), str(tmp_path / "images"))


def test_a_copy_in_another_process_reads_the_same(tmp_path):
    source = read(tmp_path, b"a\t1.jpg\nb\t2.jpg\n")
    packed = pickle.dumps(source)
    assert list(pickle.loads(packed)) == list(source)


def test_a_long_table_takes_eight_bytes_per_row(tmp_path):
    rows = 200_000
    content = b"".join(b"a caption of some length, number %d\t%d.jpg\n" % (n, n) for n in range(rows))
    tracemalloc.start()
    source = read(tmp_path, content)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 12 * rows
    assert source[rows - 1].image.name == f"{rows - 1}.jpg"


@pytest.mark.data
def test_the_real_table_is_read(data):
    source = ConceptualCaptions(str(data / "cc_pairs/captions.tsv"), str(data / "cc_pairs/images"))
    assert len(source) == 2183
    assert source[0].references == ("the bunk room",) and source[0].image_id.endswith("00001/000019465.jpg")
    assert all(isinstance(source[int(n)].image.read(), Image.Image) for n in np.linspace(0, 2182, 5))
