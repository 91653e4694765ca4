"""Parquet files as the Hugging Face hub has them."""

from __future__ import annotations

import json
import sys

import datasets
import pyarrow.parquet
import pytest
from every_source import small
from tars import picture
from toy import Rows, question

from frozenvl.data.convert import convert
from frozenvl.data.registry import build_source
from frozenvl.data.writers import parquet
from frozenvl.util.errors import UserError

pytestmark = pytest.mark.usefixtures("arrow_cache")


def test_captions_are_a_list_beside_the_image(tmp_path):
    convert(small("KarpathyCaptions", tmp_path), tmp_path / "made", "parquet")
    made = pyarrow.parquet.read_table(tmp_path / "made" / "train-00000-of-00001.parquet").to_pylist()
    assert made == [
        {
            "image": {"bytes": picture(n - 1), "path": f"COCO_train2014_{n:012}.jpg"},
            "id": str(n),
            "caption": [f"A dog {n}.", "A dog runs."],
            "frozenvl": None,
        }
        for n in (1, 2)
    ]


def test_questions_and_answers_have_columns_of_their_own(tmp_path):
    source = small("VQAQuestions", tmp_path)
    convert(source, tmp_path / "made", "parquet")
    made = pyarrow.parquet.read_table(tmp_path / "made").to_pylist()
    assert [(row["id"], row["question"], row["answers"]) for row in made] == [
        (str(n), f"Is it {n}?", ["no", "yes", "", "yes"]) for n in range(3)
    ]
    assert json.loads(made[0]["frozenvl"])["answer"] == "yes"


def test_the_library_datasets_decodes_the_images(tmp_path):
    convert(small("CocoCaptions", tmp_path), tmp_path / "made", "parquet")
    loaded = datasets.load_dataset(str(tmp_path / "made"), split="train")
    assert isinstance(loaded.features["image"], datasets.Image) and loaded[0]["image"].size == (8, 6)


def test_rows_are_grouped_and_files_closed_at_their_size(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "ROWS_PER_GROUP", 2)
    monkeypatch.setattr(parquet, "BYTES_PER_FILE", 1500)
    source = Rows(*map(question, range(30)))
    made = convert(source, tmp_path / "made", "parquet")
    files = sorted((tmp_path / "made").iterdir())
    assert [path.name for path in files] == [
        f"train-{n:05}-of-{len(files):05}.parquet" for n in range(len(files))
    ]
    assert len(files) > 2
    groups = [pyarrow.parquet.ParquetFile(path).metadata for path in files]
    assert max(meta.row_group(n).num_rows for meta in groups for n in range(meta.num_row_groups)) == 2
    again = build_source(made.reader[0], made.reader[1:])
    assert [example.id for example in again] == [f"q{n}" for n in range(30)]


def test_it_needs_the_library_datasets(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match="needs the library datasets; install it with"):
        convert(Rows(question(0)), tmp_path / "made", "parquet")
    assert not [path for path in tmp_path.iterdir() if "made" in path.name]
