"""Errors of annotation files, and text made to fit on a line."""

from __future__ import annotations

import gc

import pytest

from frozenvl.data.sources.records import image_folder, laid_out, one_line, read_annotations
from frozenvl.util.errors import UserError


def test_a_missing_file_or_folder_is_named(tmp_path):
    (tmp_path / "a.json").write_text('{"a": [1]}')
    assert read_annotations(tmp_path / "a.json") == {"a": [1]}
    assert image_folder(tmp_path) == tmp_path
    with pytest.raises(UserError, match=r"b.json: no such annotation file; .*--data.root"):
        read_annotations(tmp_path / "b.json")
    with pytest.raises(UserError, match=r"a.json: no such image folder; .*--data.root"):
        image_folder(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: {}["caption"], r"x.json: not COCO's \(missing 'caption'\)"),
        (lambda: len(3), r"x.json: not COCO's \(object of type 'int' has no len"),
        (lambda: "a".items(), r"x.json: not COCO's \('str' object has no attribute 'items'\)"),
        (lambda: int("b"), r"x.json: not COCO's \(invalid literal"),
    ],
)
def test_errors_in_records_name_the_file(wrong, message):
    with pytest.raises(UserError, match=message), laid_out("x.json", "COCO's"):
        wrong()


@pytest.mark.parametrize("collects", [True, False])
def test_garbage_collection_is_restored_even_after_an_error(collects):
    before = gc.isenabled()
    try:
        gc.enable() if collects else gc.disable()
        with laid_out("x.json", "COCO's"):
            assert not gc.isenabled()
        assert gc.isenabled() == collects
        with pytest.raises(UserError), laid_out("x.json", "COCO's"):
            int("b")
        assert gc.isenabled() == collects
    finally:
        gc.enable() if before else gc.disable()


@pytest.mark.parametrize(
    ("text", "line"),
    [(" A dog\n\truns . ", "A dog runs ."), (None, ""), ("a \ud83d b", "a ? b"), ("ü \0", "ü \0")],
)
def test_a_text_becomes_one_line(text, line):
    assert one_line(text) == line
