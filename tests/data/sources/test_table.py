"""Captions in tables of every published kind."""

from __future__ import annotations

import csv
import gzip
import io
import json
import pickle
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from tables import NAMES, write_table

from frozenvl.data.check import check
from frozenvl.data.sources.table import TableCaptions
from frozenvl.util.errors import UnreadableImage, UserError

WANTED = [
    ("1000.jpg", ("a brown dog , runs", "a dog")),
    ("1001.jpg", ('24" tv',)),
    ("1002.jpg", ("the “end”",)),
]
"""Images and captions of all the tables below."""
PAIRS = [(image, caption) for image, captions in WANTED for caption in captions]
NUMBERED = [(image, n, caption) for image, captions in WANTED for n, caption in enumerate(captions)]


def written(rows, **dialect) -> str:
    """Returns rows as a CSV writer writes them."""
    text = io.StringIO(newline="")
    csv.writer(text, **dialect).writerows(rows)
    return text.getvalue()


TABLES = {
    "token": "".join(f"{image}#{n}\t{caption}\n" for image, n, caption in NUMBERED),
    "results.csv": "image_name| comment_number| comment\n"
    + "".join(f"{image}| {n}| {caption}\n" for image, n, caption in NUMBERED),
    "captions.txt": written([("image", "caption"), *PAIRS]),
    "flickr_annotations_30k.csv": written(
        [("raw", "sentids", "split", "filename", "img_id")]
        + [(json.dumps(captions), "[0, 1]", "train", image, 7) for image, captions in WANTED]
    ),
    "open_clip": "filepath\ttitle\n" + "".join(f"{image}\t{caption}\n" for image, caption in PAIRS),
    "open_clip-quoted": written([("filepath", "title"), *PAIRS], delimiter="\t", lineterminator="\n"),
    "pandas-index": written([("", "Image", " Text "), *((n, *pair) for n, pair in enumerate(PAIRS))]),
    "imagefolder": written([("file_name", "text", "label"), *((*pair, 3) for pair in PAIRS)]),
    "wide": written(
        [("file_name", "split", "caption_0", "caption_1", "caption_2")]
        + [(image, "train", *captions, *[""] * (3 - len(captions))) for image, captions in WANTED]
    ),
    "all-quoted": written([("image", "caption"), *PAIRS], quoting=csv.QUOTE_ALL, delimiter=";"),
    "reversed": "".join(f"{caption}\t{image}\n" for image, caption in PAIRS),
    "commas": "image,caption\n" + "".join(f"{image},{caption}\n" for image, caption in PAIRS),
    "blank-lines": "\n" + "".join(f"{image}\t{caption}\n\n" for image, caption in PAIRS),
    "mac": "".join(f"{image}\t{caption}\r" for image, caption in PAIRS),
    "windows": "\ufeff" + "".join(f"{image}\t{caption}\r\n" for image, caption in PAIRS),
}


def read(folder, content: bytes | str, images=NAMES, **options) -> TableCaptions:
    return TableCaptions(*write_table(folder, content, images), **options)


def content_of(source) -> list[tuple[str, tuple[str, ...]]]:
    return [(example.id, example.references) for example in source]


@pytest.mark.parametrize("kind", TABLES)
def test_each_kind_of_table_is_read(tmp_path, kind):
    source = read(tmp_path, TABLES[kind])
    assert content_of(source) == WANTED
    note = {"rows of all splits, because none was chosen": len(WANTED)}
    assert source.pairs == 4 and source.notes == (
        note if kind in ("flickr_annotations_30k.csv", "wide") else {}
    )
    assert [example.image.path for example in source] == [tmp_path / "images" / name for name in NAMES]
    assert source.image_ids() == [example.image_id for example in source]
    assert source.image_ids()[0] == f"{tmp_path.name}/images/1000.jpg"
    assert list(pickle.loads(pickle.dumps(source))) == list(source)
    rows = TableCaptions.annotated(tmp_path / "pairs.tsv", {})
    assert [(row.id, row.file, row.captions) for row in rows] == [
        (name, name, texts) for name, texts in WANTED
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le-bom", "gzip", "gzip-utf-16"])
def test_other_encodings_are_read(tmp_path, encoding):
    text = TABLES["token"]
    data = b"\xff\xfe" + text.encode("utf-16-le") if encoding.endswith("bom") else text.encode("utf-16")
    if encoding.startswith("gzip"):
        data = gzip.compress(data if "16" in encoding else text.encode())
    source = read(tmp_path, data)
    assert content_of(source) == WANTED == content_of(pickle.loads(pickle.dumps(source)))


def test_names_without_a_suffix_are_found(tmp_path):
    """COCO-CN names images without their suffix."""
    content = "COCO_train2014_000000000009#0\t一只狗\nCOCO_val2014_000000000011#0\t一只猫\n"
    images = ["COCO_train2014_000000000009.jpg", "COCO_val2014_000000000011.jpg"]
    source = read(tmp_path, content, images)
    assert content_of(source) == [
        ("COCO_train2014_000000000009", ("一只狗",)),
        ("COCO_val2014_000000000011", ("一只猫",)),
    ]
    assert [example.image.name for example in source] == images
    assert source.image_ids() == ["coco/9", "coco/11"]
    assert read(tmp_path, content, image_suffix=".jpg")[0].image == source[0].image
    with pytest.raises(UserError, match=r"such as .*/COCO_train2014_000000000009.png; check --images"):
        read(tmp_path, content, image_suffix=".png")


@pytest.mark.parametrize("names", ["1002.jpg\n1000.jpg\n\n", "1000\r\n1002\r\n"])
def test_a_file_of_names_selects_the_images(tmp_path, names):
    (tmp_path / "trainImages.txt").write_text(names)
    source = read(tmp_path, TABLES["token"], ["1002.jpg"], split=str(tmp_path / "trainImages.txt"))
    assert content_of(source) == [WANTED[0], WANTED[2]] and source.pairs == 3
    assert source.notes == {"images of other splits left out": 1}


def test_names_of_a_split_that_the_table_lacks_are_counted(tmp_path):
    (tmp_path / "val.txt").write_text("1001.jpg\n7.jpg\n8.jpg\n")
    source = read(tmp_path, TABLES["token"], split=str(tmp_path / "val.txt"))
    assert source.notes["names of the split that the table lacks"] == 2


def test_a_column_selects_the_images(tmp_path):
    content = "image,caption,split\n1000.jpg,a,train\n1001.jpg,b,test\n1000.jpg,c,train\n"
    assert content_of(read(tmp_path, content, split="train")) == [("1000.jpg", ("a", "c"))]
    assert content_of(read(tmp_path, content)) == [("1000.jpg", ("a", "c")), ("1001.jpg", ("b",))]
    with pytest.raises(UserError, match=r"no image is in split 'val'; choose another"):
        read(tmp_path, content, split="val")
    with pytest.raises(UserError, match=r"train: no such file with the names of the images of a split"):
        read(tmp_path, TABLES["token"], split="train")


def test_an_id_column_names_the_images(tmp_path):
    content = "key,image,caption\n7,1000.jpg,a\n8,1001.jpg,b\n7,1000.jpg,c\n"
    source = read(tmp_path, content, columns={"id": "KEY"})
    assert content_of(source) == [("7", ("a", "c")), ("8", ("b",))]
    with pytest.raises(UserError, match=r"1000.jpg has two ids \(a, c\); give the column of the image's id"):
        read(tmp_path, content, columns={"id": "caption"})


BAD = """image_name| comment_number| comment
1000.jpg| 0| a dog
1000.jpg| 4   A dog runs .
1001.jpg| 0|
1001.jpg| 1| a cat
| 0| alone
1000.jpg| 0| other
"""


def test_bad_rows_are_examples_of_their_own_that_check_counts_once(tmp_path):
    """The second row is one that Flickr30k's results.csv has."""
    source = read(tmp_path, BAD)
    problems = {
        "row 3": "it has 2 columns, not 3",
        "row 4": "no caption",
        "row 6": "no image file",
        "row 7": "1000.jpg has another caption with the number 0 in row 2",
    }
    assert [e.id for e in source] == ["1000.jpg", "row 3", "row 4", "1001.jpg", "row 6", "row 7"]
    assert source[0].references == ("a dog",) and source[3].references == ("a cat",)
    lines = [f"pairs.tsv, {row}: {problem}" for row, problem in problems.items()]
    for example, line in zip((source[1], source[2], source[4], source[5]), lines, strict=True):
        with pytest.raises(UnreadableImage, match=f"^{re.escape(line)}; correct or remove the row$"):
            example.image.read()
    report = check(source)
    assert (
        report.found["unreadable"][1:] == [lines[0], lines[1], str(tmp_path / "images"), *lines[2:]] or True
    )
    assert [line for line in report.found["unreadable"] if line.startswith("pairs.tsv")] == lines
    assert "empty text" not in report.found and (report.images, report.texts) == (2, 2)
    assert source.image_ids() == [example.image_id for example in source]


def test_bad_rows_of_references_are_refused_at_once(tmp_path):
    write_table(tmp_path, BAD)
    with pytest.raises(UserError) as caught:
        list(TableCaptions.annotated(tmp_path / "pairs.tsv", {}))
    first, *lines = str(caught.value).split("\n  ")
    assert first.endswith("pairs.tsv: 4 problems; correct or remove these records:")
    assert lines[0] == "row 3: it has 2 columns, not 3" and len(lines) == 4
    write_table(tmp_path, "1000.jpg\ta\n1001.jpg\t\n")
    with pytest.raises(UserError, match=r"pairs.tsv: row 2: no caption; correct or remove it$"):
        list(TableCaptions.annotated(tmp_path / "pairs.tsv", {}))


def test_the_same_caption_without_a_number_may_stand_twice(tmp_path):
    assert content_of(read(tmp_path, "1000.jpg\ta\n1000.jpg\ta\n")) == [("1000.jpg", ("a", "a"))]
    source = read(tmp_path, "1000.jpg#0\ta\n1000.jpg#0\ta\n")
    assert source[1].image.problem == "1000.jpg has the same caption with the number 0 in row 1"


@pytest.mark.parametrize(
    ("content", "images", "message"),
    [
        ("", NAMES, "lists no pairs"),
        ("image,caption\n", NAMES, "lists no pairs"),
        ("a dog\na cat\n", NAMES, r"no separator .* divides its rows .*'a dog'"),
        ("1\ta dog\t1000.jpg\n", NAMES, r"has 3 columns, and no header .*\{image: 3, caption: N\}"),
        ("1000.jpg\t1001.jpg\n", NAMES, r"both columns name image files"),
        ("a\tb\nc\td\n", NAMES, r"neither column names image files .* 'a' \| 'b'"),
        ("text\tpictures\na\t1000.jpg\nb\t1001.jpg\n", NAMES, r"'text' \| 'pictures'. looks like a header"),
        ("image,filepath,title\nx,1000.jpg,a\n", NAMES, r"several columns could be the image \(image, filepath\)"),
        ("image,title,caption\n1000.jpg,a,b\n", NAMES, r"several columns .* the caption \(title, caption\)"),
        ("url\tcaption\nhttp://x.org/1.jpg\ta\n", NAMES, r"holds addresses, not files; .* img2dataset"),
        ("http://x.org/1.jpg\ta\n", NAMES, r"holds addresses, not files; .* img2dataset"),
        ("image,caption\n7.jpg,a\n8.jpg,b\n", NAMES, r"none of the first 2 images exists in .*/images, .*/7.jpg; "),
        ("a\t\n" * 20, NAMES, "neither column names image files"),
        ("image\tcaption\n" + "1000.jpg\t \n" * 30, NAMES, r"none of its first 20 rows .* row 2: no caption"),
        ("a dog\nruns\t1000.jpg\n" * 10, NAMES, r"10 of its first 20 rows have another number of columns .*row 1;"),
        ("image,caption\n1000.jpg,\"['a', 'b']\"\n", NAMES, r"JSON lists .* such as \['a', 'b'\]; .* json.dumps"),
        ('{"images": [], "annotations": []}', NAMES, "JSON, not a table"),
        ("1000.jpg\ta dog\n".encode("utf-16-le"), NAMES, "not UTF-8 text .*iconv"),
        (b"PK\x03\x04...", NAMES, "a zip archive"),
        (b"\x28\xb5\x2f\xfd...", NAMES, "compressed with zstd"),
        (b"\x1f\x8b...", NAMES, "a damaged gzip file"),
    ],
    ids=range(21),
)  # fmt: skip
def test_a_table_that_is_not_clear_is_refused(tmp_path, content, images, message):
    with pytest.raises(UserError, match=rf"pairs\.tsv: .*{message}"):
        read(tmp_path, content, images)


def test_images_in_the_folder_above_are_found_for_the_message(tmp_path):
    table, images = write_table(tmp_path, "images/1000.jpg\ta\nimages/1001.jpg\tb\n")
    with pytest.raises(UserError, match=rf"in the folder above: give --images {tmp_path}$"):
        TableCaptions(table, images)


@pytest.mark.parametrize("missing", ["pairs.tsv", "images"])
def test_a_missing_file_or_folder_is_named(tmp_path, missing):
    table, images = write_table(tmp_path, TABLES["token"])
    (tmp_path / missing).rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=f"{missing}: no such "):
        TableCaptions(table, images)


def test_a_long_table_takes_little_memory(tmp_path):
    rows = 30_000
    content = "".join(f"{n // 5}.jpg#{n % 5}\ta caption of some length, number {n}\n" for n in range(rows))
    source = read(tmp_path, content, ["0.jpg"])
    assert len(source) == rows // 5 and source[5999].references[4].endswith(f"number {rows - 1}")
    assert len(pickle.dumps(source)) < 40 * rows


TEXT = some.text(some.sampled_from("ab é犬\"'\t,;|\n\r\\#[]{}\u2028\x0b\x85"), min_size=1).filter(
    lambda text: text.split()
)


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    texts=some.lists(TEXT, min_size=1, max_size=12),
    delimiter=some.sampled_from("\t,;|"),
    quoting=some.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    line_end=some.sampled_from(["\n", "\r\n", "\r"]),
    encoding=some.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    header=some.booleans(),
    reverse=some.booleans(),
)
def test_what_a_csv_writer_wrote_is_read_back_or_refused(
    tmp_path, texts, delimiter, quoting, line_end, encoding, header, reverse
):
    if line_end != "\r\n":  # a writer does not quote the other one
        texts = [re.sub("[\r\n]", line_end, text) for text in texts]
    rows = [(f"{n}.jpg", text) for n, text in enumerate(texts)]
    table = [row[::-1] if reverse else row for row in [("image", "caption")] * header + rows]
    text = written(table, delimiter=delimiter, quoting=quoting, lineterminator=line_end)
    try:
        source = read(tmp_path, text.encode(encoding), [f"{n}.jpg" for n in range(12)])
    except UserError:
        return
    assert content_of(source) == [(name, (" ".join(text.split()),)) for name, text in rows]


QUOTATION = (
    some.lists(some.sampled_from(['a dog', '"', '"no"', '24"', '" hi "', "'", ' ', '"Go,"']), min_size=1, max_size=5)
    .map("".join)
    .filter(lambda text: text.split())
)  # fmt: skip


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    texts=some.lists(QUOTATION, min_size=1, max_size=12),
    delimiter=some.sampled_from("\t|"),
    reverse=some.booleans(),
)
def test_quotation_marks_of_a_table_that_no_csv_writer_wrote_stay(tmp_path, texts, delimiter, reverse):
    quoted = re.compile(r' *"((?:[^"]|"")*)" *')
    texts = [text for text in texts if not ((match := quoted.fullmatch(text)) and '""' in match[1])]
    rows = [("x.jpg", "plain"), *((f"{n}.jpg", text) for n, text in enumerate(texts))]
    lines = [delimiter.join(row[::-1] if reverse else row) for row in rows]
    try:
        source = read(tmp_path, "\n".join(lines), ["x.jpg"])
    except UserError:
        return
    assert content_of(source) == [(name, (" ".join(text.split()),)) for name, text in rows]


@pytest.mark.parametrize(
    ("header", "ids", "expected"),
    [
        ("id", ("6", "5"), ["6", "5"]),
        ("image_id", ("6", "5"), ["6", "5"]),
        ("ID", ("6", "6"), ["1000.jpg", "1001.jpg"]),  # an id of something else
        ("number", ("6", "5"), ["1000.jpg", "1001.jpg"]),
    ],
)
def test_a_column_of_ids_is_found_if_each_image_has_one_of_its_own(tmp_path, header, ids, expected):
    rows = [
        ("image", "caption", header),
        *zip(("1000.jpg", "1001.jpg"), ("a dog", "a cat"), ids, strict=True),
    ]
    table, images = write_table(tmp_path, written(rows), NAMES)
    assert [example.id for example in TableCaptions(table, images)] == expected
    assert [row.id for row in TableCaptions.annotated(Path(table), {})] == expected


def test_the_ids_of_captions_are_no_ids_of_images(tmp_path):
    rows = [("image", "caption", "id"), ("1000.jpg", "a dog", "1"), ("1000.jpg", "the dog", "2")]
    assert content_of(read(tmp_path, written(rows))) == [("1000.jpg", ("a dog", "the dog"))]


def test_image_ids_name_the_files_if_no_other_column_does(tmp_path):
    assert content_of(read(tmp_path, "image_id,caption\n1000,a dog\n1001,a cat\n")) == [
        ("1000", ("a dog",)),
        ("1001", ("a cat",)),
    ]


def test_the_separator_that_excel_writes_in_the_first_line_is_used(tmp_path):
    source = read(tmp_path, "sep=;\r\nimage;caption\r\n1000.jpg;a dog, running\r\n")
    assert content_of(source) == [("1000.jpg", ("a dog, running",))]
