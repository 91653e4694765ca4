"""Conceptual Captions: tables of captions and image files."""

from __future__ import annotations

import pickle
import tracemalloc

import numpy as np
import pytest
from PIL import Image
from tables import write_table

from frozenvl.data.records import table_file
from frozenvl.data.sources.conceptual import ConceptualCaptions
from frozenvl.util.errors import UnreadableImage, UserError


def read(folder, content: bytes, **options) -> ConceptualCaptions:
    return ConceptualCaptions(
        *write_table(folder, content, ("1.jpg", "x/2.jpg", "3.jpg", "4.jpg")), **options
    )


@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("chunk", [1, 7, 2**20])
def test_rows_are_found_at_any_chunk_size_and_line_end(tmp_path, monkeypatch, end, chunk):
    monkeypatch.setattr(table_file, "CHUNK", chunk)
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
        (b"a caption alone", "it has 1 column, not 2"),
        (b"", "it is empty"),
        (b" \t", "it is empty"),
        (b"\t2.jpg", "no caption"),
        (b" \t2.jpg", "no caption"),
        (b"a caption\t ", "no image file"),
        (b"a caption\t2\0.jpg", "no image file"),
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
    assert example.id == "2" and example.targets and example.image != source[2].image


@pytest.mark.parametrize(
    "content",
    [
        b'24" tv\t1.jpg\na "big" dog\t3.jpg\n"stop"\t4.jpg\n',
        b'"stop"\t1.jpg\na dog, brown\t3.jpg\na "\t4.jpg\n',
    ],
)
def test_quotation_marks_of_a_table_without_quoting_stay(tmp_path, content):
    rows = [tuple(line.split("\t")) for line in content.decode().splitlines()]
    assert [(e.references[0], e.image.name) for e in read(tmp_path, content)] == rows


def test_a_table_that_a_csv_writer_quoted_is_unquoted(tmp_path):
    source = read(tmp_path, b'"a ""big"" dog"\t1.jpg\n"two\nlines"\t3.jpg\nplain\t4.jpg\n')
    assert [(e.id, e.references) for e in source] == [
        ("1", ('a "big" dog',)), ("2", ("two lines",)), ("3", ("plain",)),
    ]  # fmt: skip


def test_a_header_names_the_columns_and_counts_as_a_row(tmp_path):
    source = read(tmp_path, b"caption\tscore\tfile\na dog\t0.3\t1.jpg\nno file\t0.2\t\n")
    assert [(e.id, e.image.name) for e in source] == [("2", "1.jpg"), ("3", "pairs.tsv, row 3")]


def test_columns_are_given_by_number_and_rows_of_one_image_stay_apart(tmp_path):
    content = b"7\ta dog\t1.jpg\n8\ta cat\t1.jpg\n"
    source = read(tmp_path, content, columns={"image": 3, "caption": 2})
    assert [(e.id, e.references) for e in source] == [("1", ("a dog",)), ("2", ("a cat",))]
    assert [e.id for e in read(tmp_path, content, columns={"image": 3, "caption": 2, "id": 1})] == ["7", "8"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"7\ta dog\t1.jpg\n8\ta cat\t3.jpg\n", r"3 columns, .* give columns, .*image: 3.* '7' \| 'a dog' \| '1.jpg'"),
        (b"1.jpg\ta dog\n3.jpg\ta cat\n", r"swapped: every caption is a file that exists; .*image: 1, caption: 2"),
        (b"9.jpg\ta dog\n8.jpg\ta cat\n", r"swapped: every caption is named like an image file; .*TableCaptions"),
        (b"text\tpictures\na dog\t1.jpg\na cat\t3.jpg\n", r"'text' \| 'pictures'. looks like a header"),
        (b'raw,file\n"[""a"", ""b""]",1.jpg\n', r"a row has several captions; read it with TableCaptions"),
        (b"file,caption_0,caption_1\n1.jpg,a,b\n", r"a row has several captions; read it with TableCaptions"),
        (b"a dog\t8.jpg\na cat\t9.jpg\n", r"none of the first 2 images exists in .*images, such as .*images/8.jpg; "),
    ],
    ids=["columns", "swapped", "swapped-missing", "header", "lists", "wide", "no-images"],
)  # fmt: skip
def test_a_table_that_is_read_wrongly_as_a_whole_is_refused(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, content)


@pytest.mark.parametrize(
    "content",
    [
        "a dog\thttp://example.org/1.jpg",
        "caption\turl\na dog\thttp://example.org/1.jpg",
        "http://example.org/1.jpg\ta dog",
    ],
    ids=["cc3m", "header", "cc12m"],
)
def test_a_table_of_urls_is_refused(tmp_path, content):
    with pytest.raises(UserError, match=r"holds addresses, not files; .* img2dataset, .* Shards"):
        read(tmp_path, f"{content}\n".encode())


def test_urls_without_a_scheme_are_suspected(tmp_path):
    with pytest.raises(
        UserError, match=r"such as .*example.org/1.jpg; if these are addresses, .* img2dataset"
    ):
        read(tmp_path, b"a dog\texample.org/1.jpg\n")


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
    content = b"".join(b"a caption of some length, number %d\t%d.jpg\n" % (n, n) for n in range(1, rows + 1))
    paths = write_table(tmp_path, content, ["1.jpg"])
    tracemalloc.start()
    source = ConceptualCaptions(*paths)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 12 * rows
    assert source[rows - 1].image.name == f"{rows}.jpg"


@pytest.mark.data
def test_the_real_table_is_read(data):
    source = ConceptualCaptions(str(data / "cc_pairs/captions.tsv"), str(data / "cc_pairs/images"))
    assert len(source) == 2183
    assert source[0].references == ("the bunk room",) and source[0].image_id.endswith("00001/000019465.jpg")
    assert all(isinstance(source[int(n)].image.read(), Image.Image) for n in np.linspace(0, 2182, 5))
