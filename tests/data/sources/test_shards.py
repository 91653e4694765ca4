"""Shards as a source."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import webdataset
from tars import picture, put_content, sample, write_tar

from frozenvl.data.shards.files import INDEX
from frozenvl.data.shards.record import as_record
from frozenvl.data.sources.shards import Shards
from frozenvl.prompt import BlackImage, Example
from frozenvl.util.errors import RunError, UnreadableImage, UserError

pytestmark = pytest.mark.usefixtures("cache")


def test_examples_of_tars_are_read_by_index(folder):
    source = Shards(str(folder))
    assert (len(source), source.pairs, source.targets_per_example) == (9, 9, 1)
    assert list(source.shard_sizes) == [3, 0, 4, 2] and source.window == 4
    ids = ["00000/000000000", "00000/000000001", "00000/000000002", "00002/000000003", "00002/000000004"]
    assert [source[i].id for i in range(5)] == ids
    example = source[8]
    assert (example.id, example.image_id, example.references) == ("00003/000000008",) * 2 + (("caption 8",),)
    assert example.image.name == "00003/000000008.jpg"
    assert example.image.read().size == (8, 6) and example.image.read().mode == "RGB"
    assert [source.pair(i) for i in range(9)] == [(i, 0) for i in range(9)]
    for outside in (-1, 9):
        with pytest.raises(IndexError):
            source[outside]


def test_samples_equal_those_of_the_webdataset_library(folder):
    source = Shards(str(folder))
    theirs = webdataset.WebDataset(source.urls, shardshuffle=False, empty_check=False)
    rows = [(each["__key__"], each["jpg"], each["txt"].decode()) for each in theirs]
    ours = [source[i] for i in range(len(source))]
    assert rows == [(e.id.split("/")[1], e.image.content(), *e.references) for e in ours]


def test_images_are_equal_if_shard_position_and_content_are(folder):
    one, other = Shards(str(folder)), Shards(str(folder / "0000[23].tar"))
    image, again = one[3].image, other[0].image
    assert image == again and hash(image) == hash(again) and image != one[4].image
    assert image.digest == again.digest != one[4].image.digest
    assert pickle.loads(pickle.dumps(image)) == image
    assert pickle.loads(pickle.dumps(image)).read().getpixel((0, 0)) == image.read().getpixel((0, 0))


def test_an_image_is_read_with_one_read(folder, monkeypatch):
    source = Shards(str(folder))
    reads = []
    read = source.store.read
    monkeypatch.setattr(source.store, "read", lambda *where: reads.append(where) or read(*where))
    image = source[0].image
    assert len(reads) == 1  # the caption
    image.read(4)
    assert len(reads) == 2


def texts_of(source: Shards) -> list[str]:
    return [source[example].targets[text] for example, text in map(source.pair, range(source.pairs))]


def packed(number: int, texts: tuple[str, ...], **more: str) -> list:
    example = Example(f"e{number}", BlackImage(), f"p{number}", texts, **more)
    return [(f"{number}.jpg", picture(number)), (f"{number}.json", {"frozenvl": as_record(example)})]


def test_examples_with_several_texts_or_none(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    write_tar(folder / "a.tar", packed(0, ("a", "b")) + packed(1, ()) + packed(2, ("c", "d", "e")))
    write_tar(folder / "b.tar", packed(3, ("yes", "no"), question="Really?", answer="yes") + sample(9, "f"))
    source = Shards(str(folder))
    assert (source.pairs, list(source.shard_sizes)) == (7, [5, 2])
    assert texts_of(source) == ["a", "b", "c", "d", "e", "yes", "f"]
    assert list(source.targets_per_example) == [2, 0, 3, 1, 1]
    asked = source[3]
    assert (asked.id, asked.image_id, asked.question, asked.answer) == ("e3", "p3", "Really?", "yes")
    assert asked.references == ("yes", "no")


def test_an_example_without_texts_has_no_pairs(tmp_path):
    write_tar(tmp_path / "a.tar", packed(0, ()) + packed(1, ("a", "b")))
    source = Shards(str(tmp_path))
    assert list(source.targets_per_example) == [0, 2] and texts_of(source) == ["a", "b"]


def test_texts_are_found_though_few_shards_have_their_counts_in_memory(tmp_path):
    for shard in range(20):
        write_tar(tmp_path / f"{shard:02}.tar", packed(shard, (f"{shard}a", f"{shard}b")))
    source = Shards(str(tmp_path))
    expected = [f"{shard}{letter}" for shard in range(20) for letter in "ab"]
    assert texts_of(source) == texts_of(source) == expected
    assert len(source._text_ends) < 20


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("x.txt", "a dog")], "a/x: has no image member"),
        ([("x.jpg", picture())], "a/x.jpg: has no text"),
        ([("x.jpg", picture()), ("x.txt", " \n")], "a/x.jpg: has an empty text"),
        (
            [("x.jpg", picture()), ("x.json", {"caption": None})],
            "has no text .'caption' in its .json is null",
        ),
        (
            [("x.jpg", picture()), ("x.json", {"title": "a"})],
            "its .json has none of the text_key .*, but title",
        ),
        ([("x.jpg", picture()), ("x.json", "{")], "has no text .its .json is not JSON"),
        ([("x.jpg", b""), ("x.txt", "a")], r"a/x.jpg: not a readable image"),
        ([("x.jpg", b"<html>"), ("x.txt", "a")], r"a/x.jpg: not a readable image \(it is an HTML page\)"),
        ([("x.jpg", picture()[:200]), ("x.txt", "a")], r"a/x.jpg: not a readable image"),
    ],
    ids=range(9),
)
def test_a_bad_sample_is_an_example_with_an_unreadable_image(tmp_path, members, message):
    write_tar(tmp_path / "a.tar", [*sample(0), *members, *sample(2)])
    source = Shards(str(tmp_path))
    assert (len(source), source.pairs) == (3, 3)
    assert len(source[1].targets) == 1
    with pytest.raises(UnreadableImage, match=message) as error:
        source[1].image.read()
    assert "\n" not in str(error.value)
    assert source[2].image.read()


def test_texts_are_read_from_members_of_all_kinds(tmp_path):
    long = "word " * 20_000
    members = [
        ("a.jpg", picture()),
        ("a.json", {"caption": " two\n lines "}),
        ("b.jpg", picture()),
        ("b.txt", b"caf\xe9\x00"),
        ("c.jpg", picture()),
        ("c.txt", long),
    ]
    source = Shards(str(write_tar(tmp_path / "a.tar", members)))
    assert [source[i].references[0] for i in range(3)] == ["two lines", "caf\ufffd\0", long.strip()]


NAMED = [
    ("0.photo.png", picture(1, kind="PNG")),
    ("0.jpg", picture(2)),
    ("0.json", {"alt": "a", "caption": "b"}),
]


def test_the_image_and_the_text_are_named_by_keys(tmp_path):
    path = str(write_tar(tmp_path / "a.tar", NAMED))
    found = Shards(path, image_key="photo", text_key="alt")[0]
    assert (found.image.name, found.references) == ("a/0.photo.png", ("a",))
    assert found.image.content() == picture(1, kind="PNG")
    assert found.image.read().getpixel((0, 0)) == (37, 11, 99)
    found = Shards(path)[0]
    assert (found.image.name, found.references) == ("a/0.jpg", ("b",))


def test_lists_of_texts_are_several_captions(tmp_path):
    members = [
        *[("0.jpg", picture()), ("0.json", {"captions": ["a", "b", " "]})],
        *[("1.jpg", picture()), ("1.json", {"caption": ["c"]})],
        *[("2.jpg", picture()), ("2.caption.json", ["d", "e\nf"])],
        *[("3.jpg", picture()), ("3.txt", '["g", "h"]')],
    ]
    source = Shards(str(write_tar(tmp_path / "a.tar", members)))
    assert texts_of(source) == ["a", "b", "c", "d", "e f", "g", "h"]
    assert list(source.targets_per_example) == [2, 1, 2, 2]


def several_lines(folder: Path) -> Path:
    """Writes two tars with texts of 1, 3, 2 and 0 lines, and a list of two texts."""
    folder.mkdir()
    members = [
        *sample(0, "a"),
        *sample(1, "b\r\nc\n\n d "),
        ("2.jpg", picture()),
        ("2.json", {"text": "e\nf"}),
    ]
    write_tar(folder / "a.tar", members)
    more = [
        ("3.jpg", picture()),
        ("3.txt", "\n"),
        ("4.jpg", picture()),
        ("4.json", {"caption": ["g", "h\ni"]}),
    ]
    write_tar(folder / "b.tar", more)
    return folder


def test_a_text_of_several_lines_is_one_caption_or_one_a_line(tmp_path):
    folder = several_lines(tmp_path / "s")
    joined = Shards(str(folder))
    assert texts_of(joined) == ["a", "b c d", "e f", "", "g", "h i"]
    assert (joined.pairs, list(joined.shard_sizes)) == (6, [3, 3])
    assert list(joined.targets_per_example) == [1, 1, 1, 1, 2]
    assert [joined.lines_joined(i) for i in range(5)] == [1, 3, 2, 1, 1]
    index = (folder / INDEX).stat().st_ino
    single = Shards(str(folder), lines="captions")
    assert texts_of(single) == ["a", "b", "c", "d", "e", "f", "", "g", "h i"]
    assert (single.pairs, list(single.shard_sizes)) == (9, [6, 3])
    assert list(single.targets_per_example) == [1, 3, 2, 1, 2]
    assert [len(single[i].targets) for i in range(5)] == [1, 3, 2, 1, 2]
    assert [single.lines_joined(i) for i in range(5)] == [1] * 5
    assert (folder / INDEX).stat().st_ino == index  # one index serves both
    with pytest.raises(UnreadableImage, match=r"b/3.jpg: has an empty text"):
        single[3].image.read()


def test_lines_of_texts_need_no_list_of_counts_where_all_are_one(folder):
    assert Shards(str(folder), lines="captions").targets_per_example == 1


@pytest.mark.parametrize(
    ("encoding", "text", "caption"),
    [
        ("utf-8", "a dog 犬\n", "a dog 犬"),
        ("utf-8-sig", "a dog 犬\r\n", "a dog 犬"),
        ("utf-16", "a dog 犬\r\n", "a dog 犬"),
        ("latin-1", "ein Mädchen", "ein M\ufffddchen"),
    ],
)
def test_texts_and_json_are_read_in_every_encoding(tmp_path, encoding, text, caption):
    record = '{"caption": "' + text.strip() + '"}'
    members = [("0.jpg", picture()), ("0.txt", text.encode(encoding))]
    members += [("1.jpg", picture()), ("1.json", record.encode(encoding))]
    source = Shards(str(write_tar(tmp_path / "a.tar", members)))
    assert [source[i].references for i in range(2)] == [(caption,)] * 2


def test_coco_ids_come_from_the_index_without_reading(tmp_path):
    write_tar(tmp_path / "a.tar", [("000000000285.jpg", picture()), ("000000000285.txt", "a"), *sample(4)])
    source = Shards(str(tmp_path))
    assert [source[i].image_id for i in range(2)] == ["coco/285", "a/000000004"]
    assert source.image_ids() == ["coco/285", ""]
    write_tar(tmp_path / "b.tar", sample(4))
    assert Shards(str(tmp_path / "b.tar")).image_ids() is None


def test_examples_of_shards_with_equal_names_have_different_ids(tmp_path):
    for name in ("x/train", "y/train"):
        (tmp_path / name).mkdir(parents=True)
        write_tar(tmp_path / name / "0.tar", sample(int(name < "y")))
    source = Shards([str(tmp_path / "x" / "train"), str(tmp_path / "y" / "train")])
    assert [source[i].id for i in range(2)] == ["x/train/0/000000001", "y/train/0/000000000"]
    assert [source[i].references for i in range(2)] == [("caption 1",), ("caption 0",)]


@pytest.mark.parametrize(
    "settings",
    [{"window": 0}, {"cache_gb": 0}, {"lines": "one"}, {"image_key": ""}, {"text_key": "a;"}],
    ids=str,
)
def test_bad_settings_are_refused(folder, settings):
    with pytest.raises(UserError, match=next(iter(settings))):
        Shards(str(folder), **settings)


def test_a_shard_that_shrinks_in_use_is_one_error_line(folder):
    source = Shards(str(folder))
    os.truncate(folder / "00000.tar", 2000)
    with pytest.raises(RunError, match=r"00000.tar: is shorter than its index says"):
        source[2]


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_another_process_reads_the_same_examples(folder, start):
    source = Shards(str(folder))
    expected = ([source[i].id for i in range(9)], [source[i].image.digest for i in range(9)])
    context = multiprocessing.get_context(start)
    queue = context.SimpleQueue()
    process = context.Process(target=put_content, args=(source, queue))
    process.start()
    found = queue.get()
    process.join()
    assert found == expected


def mapped(path: Path) -> int:
    """Returns how many kB of a memory-mapped file this process holds in memory."""
    maps = Path("/proc/self/smaps").read_text()
    return sum(map(int, re.findall(rf"{path}\n(?:.*\n)*?Rss: +([0-9]+)", maps)))


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux says what is mapped")
def test_the_memory_of_the_index_does_not_grow_during_an_epoch(folder):
    source = Shards(str(folder))
    ids = [source[i].id for i in range(9)]
    assert mapped(folder / INDEX) > 0
    source.prefetch([1, 2])
    assert mapped(folder / INDEX) == 0
    assert [source[i].id for i in range(9)] == ids


def test_prefetch_hints_go_to_the_store(folder, monkeypatch):
    source = Shards(str(folder))
    hints = []
    monkeypatch.setattr(source.store, "prefetch", hints.append)
    source.prefetch([2, 3])
    assert hints == [[2, 3]]


def test_a_source_is_pickled_without_its_rows(tmp_path):
    members = [each for number in range(500) for each in packed(number, ("a", "b"))]
    source = Shards(str(write_tar(tmp_path / "a.tar", members)))
    assert np.asarray(source.targets_per_example).nbytes == 2000
    assert len(pickle.dumps(source)) < 2000
    starts = [source.pair(i) for i in range(0, 1000, 2)]
    assert all(b[0] == a[0] + 1 and b[1] == 0 for a, b in pairwise(starts))


def test_what_was_odd_in_the_tars_is_in_the_notes_of_the_source(tmp_path, cache):
    write_tar(tmp_path / "a.tar", [*sample(0), ("0.cls", "7"), ("1.jpg", picture(1))])
    source = Shards(str(tmp_path / "a.tar"))
    assert source.notes == {"members ignored (cls: 1)": 1, "samples without a text": 1}
