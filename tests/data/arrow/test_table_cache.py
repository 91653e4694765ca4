"""Tables of annotation files in the cache: written once, found by content, and equal to what the files say."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest
from vqa_files import annotations, vqa, write

from frozenvl.data.arrow import table_cache
from frozenvl.data.arrow.row_table import RowTable
from frozenvl.data.records import streamed
from frozenvl.data.sources.coco import CocoCaptions
from frozenvl.data.sources.packed import PackedTable
from frozenvl.data.sources.vqa import VQAQuestions
from frozenvl.util.errors import UserError

COCO = {
    "images": [{"id": 9, "file_name": "000000000009.jpg"}, {"id": 5, "file_name": "b/5.jpg", "domain": "in"}],
    "annotations": [
        {"image_id": 9, "id": 1, "caption": "a dog"},
        {"image_id": 5, "id": 2, "caption": "two  cats", "is_rejected": True},
        {"image_id": 5, "id": 3, "caption": "two cats"},
    ],
}


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FROZENVL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def kept(home, monkeypatch) -> Path:
    """The cache's folder of tables, for files of any size."""
    monkeypatch.setattr(table_cache, "MIN_BYTES", 0)
    monkeypatch.setattr(streamed, "MIN_BYTES", 0)
    return home / "tables"


def coco(folder: Path, content=COCO, **more) -> CocoCaptions:
    return CocoCaptions(write(folder, "captions.json", content), str(folder / "images"), **more)


def described(source) -> list:
    return [
        [source[n] for n in range(len(source))],
        source.image_ids(),
        source.targets_per_example,
        dict(source.notes),
        [source.pair(n) for n in range(source.pairs)],
    ]


@pytest.mark.parametrize("opened", [vqa, coco])
def test_a_table_says_what_the_files_say(tmp_path, home, monkeypatch, opened):
    expected = opened(tmp_path)
    assert isinstance(expected.rows, PackedTable) and not home.exists()
    monkeypatch.setattr(table_cache, "MIN_BYTES", 0)
    monkeypatch.setattr(streamed, "MIN_BYTES", 0)
    first, later = opened(tmp_path), opened(tmp_path)
    for source in (first, later, pickle.loads(pickle.dumps(later))):
        assert isinstance(source.rows, RowTable)
        assert described(source) == described(expected)


@pytest.mark.parametrize("part", ["train", "ask"])
def test_parts_share_a_table(tmp_path, home, monkeypatch, part, kept):
    rows = [{"question_id": n, "image_id": n // 3, "question": "What?"} for n in range(300)]
    questions = write(tmp_path, "questions.json", {"questions": rows})

    def opened(part) -> VQAQuestions:
        return VQAQuestions(questions, None, str(tmp_path / "images"), part=part)

    tables = {part: described(opened(part)) for part in ("all", "train", "ask")}
    assert len([*kept.glob("*.arrow")]) == 1
    monkeypatch.setattr(table_cache, "MIN_BYTES", 1 << 30)
    assert described(opened(part)) == tables[part]


def test_a_file_is_parsed_once(tmp_path, kept, capsys):
    vqa(tmp_path)
    assert "reads" in (line := capsys.readouterr().err) and line.count("\n") == 1 and str(kept) in line
    vqa(tmp_path)
    assert not capsys.readouterr().err and len([*kept.glob("*.arrow")]) == 1


@pytest.mark.parametrize("changed", ["questions.json", "annotations.json"])
def test_a_changed_file_is_noticed(tmp_path, kept, changed):
    assert vqa(tmp_path)[0].question == "Is it red?"
    before = (tmp_path / changed).stat()
    text = (tmp_path / changed).read_text().replace("Is it", "Is he").replace('"yes"', '"yup"')
    time.sleep(0.02)  # more than a tick of the file system's clock
    (tmp_path / changed).write_text(text)
    os.utime(tmp_path / changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    questions, answers = (str(tmp_path / name) for name in ("questions.json", "annotations.json"))
    example = VQAQuestions(questions, answers, str(tmp_path / "images"))[0]
    assert (example.question == "Is he red?") == (changed == "questions.json")
    assert ("yup" in example.references) == (changed == "annotations.json")


def test_other_options_other_tables(tmp_path, kept):
    bare = {**COCO, "annotations": COCO["annotations"][:1]}
    assert len(coco(tmp_path, bare, skip_uncaptioned=True)) == 1
    with pytest.raises(UserError, match="has no caption; skip_uncaptioned"):
        coco(tmp_path, bare)
    assert len([*kept.glob("*.arrow")]) == 1 and not [*kept.glob(".*.tmp")]


def test_problems_are_reported_each_time(tmp_path, kept):
    for _ in range(2):
        with pytest.raises(UserError, match=r"question_id 11.*: has no annotation in"):
            vqa(tmp_path, given=annotations()[:2])
    assert not [*kept.glob("*.arrow")]


def test_a_damaged_table_is_written_again(tmp_path, kept):
    expected = described(coco(tmp_path))
    (table,) = kept.glob("*.arrow")
    table.write_bytes(table.read_bytes()[:100])
    assert described(coco(tmp_path)) == expected and isinstance(coco(tmp_path).rows, RowTable)


def test_another_version_of_the_readers_finds_other_tables(tmp_path, kept, monkeypatch):
    coco(tmp_path)
    monkeypatch.setattr(table_cache, "_code", lambda: "another")
    coco(tmp_path)
    assert len([*kept.glob("*.arrow")]) == 2


def test_tables_that_nobody_opens_are_removed(tmp_path, kept, monkeypatch):
    coco(tmp_path)
    (old,) = kept.glob("*.arrow")
    past = time.time() - 86400 * (table_cache.UNUSED_DAYS + 1)
    os.utime(old, (past, past))
    coco(tmp_path)  # is opened
    vqa(tmp_path)
    assert old.exists()
    os.utime(old, (past, past))
    coco(tmp_path, {**COCO, "info": 1})
    assert not old.exists() and len([*kept.glob("*.arrow")]) == 2


def test_without_a_cache_the_files_are_parsed_and_a_line_says_so(tmp_path, kept, capsys):
    kept.parent.write_text("no folder")
    source = coco(tmp_path)
    assert isinstance(source.rows, PackedTable) and len(source) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{kept} cannot be written" in line and "FROZENVL_HOME" in line


def test_a_name_that_is_not_unicode_is_kept_in_memory(tmp_path, kept):
    odd = {**COCO, "images": [{"id": 9, "file_name": "\ud800.jpg"}, COCO["images"][1]]}
    source = coco(tmp_path, odd)
    assert isinstance(source.rows, PackedTable) and source[0].image.path.name == "\ud800.jpg"
    assert not [*kept.iterdir()] or not [*kept.glob("*.arrow")]


def test_sources_of_other_packages_keep_no_table(tmp_path, kept):
    class Own(CocoCaptions):
        __module__ = "own"

    source = Own(write(tmp_path, "captions.json", COCO), str(tmp_path / "images"))
    assert isinstance(source.rows, PackedTable) and not kept.exists()


def test_processes_that_open_at_once_parse_once(tmp_path, kept):
    rows = [{"question_id": n, "image_id": n, "question": "What?"} for n in range(2000)]
    questions = write(tmp_path, "questions.json", {"questions": rows})
    work = (
        "import sys; from frozenvl.data.arrow import table_cache; from frozenvl.data.sources.vqa import VQAQuestions;"
        "table_cache.MIN_BYTES = 0; source = VQAQuestions(sys.argv[1], None, sys.argv[2]);"
        "print(len(source), source[1999].id, type(source.rows).__name__)"
    )
    command = [sys.executable, "-c", work, questions, str(tmp_path / "images")]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    said = [process.communicate() for process in started]
    assert [out for out, _ in said] == ["2000 1999 RowTable\n"] * 3
    assert sum("reads" in err for _, err in said) == 1 and len([*kept.glob("*.arrow")]) == 1
    assert json.loads((tmp_path / "questions.json").read_text())["questions"] == rows
