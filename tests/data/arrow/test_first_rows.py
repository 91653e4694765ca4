"""The first rows of a data set: which they are, what is read for them, where they are kept."""

from __future__ import annotations

import datasets
import PIL.Image
import pytest
from parquet import images, write_parquet

from frozenvl.data.arrow.load import open_dataset
from frozenvl.data.sources.huggingface import HuggingFaceData
from frozenvl.util.errors import UserError

pytestmark = pytest.mark.usefixtures("arrow_cache")


def parquet(path, *numbers):
    return write_parquet(path, image=images(*numbers), text=[f"text {n}" for n in numbers])


def texts(path, first, split=None, subset=None):
    return open_dataset(str(path), split, subset, first)[0]["text"][:]


def saved(folder):
    datasets.Dataset.from_dict({"text": ["text 1", "text 2", "text 3"]}).save_to_disk(str(folder))


def image_folder(folder):
    folder.mkdir()
    for name in ("1", "2", "3"):
        PIL.Image.new("RGB", (8, 8)).save(folder / f"{name}.png")
    lines = "".join(f"{n}.png,text {n}\n" for n in (1, 2, 3))
    (folder / "metadata.csv").write_text("file_name,text\n" + lines)


def clone(folder):
    parquet(folder / "part" / "0.parquet", 1, 2, 3)
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: a\n  data_files: part/*.parquet\n- config_name: b\n  data_files: x/*\n---\n"
    )


@pytest.mark.parametrize("write", [saved, image_folder])
def test_of_what_is_on_disk_anyway(tmp_path, write):
    write(tmp_path / "d")
    assert texts(tmp_path / "d", 2) == ["text 1", "text 2"]
    assert len(texts(tmp_path / "d", 9)) == 3


def test_of_a_clone_with_configurations(tmp_path):
    clone(tmp_path / "d")
    assert texts(tmp_path / "d", 2, subset="a") == ["text 1", "text 2"]


def test_later_files_are_not_read(tmp_path):
    parquet(tmp_path / "d" / "0.parquet", 1, 2, 3)
    (tmp_path / "d" / "1.parquet").write_bytes(b"PAR1 and nothing that can be read")
    assert texts(tmp_path / "d", 3) == ["text 1", "text 2", "text 3"]
    with pytest.raises(UserError, match="cannot be read"):
        texts(tmp_path / "d", 4)
    with pytest.raises(UserError, match="cannot be read"):
        texts(tmp_path / "d", None)


def test_of_splits_one_after_the_other(tmp_path):
    parquet(tmp_path / "d" / "train.parquet", 1, 2)
    parquet(tmp_path / "d" / "test.parquet", 3, 4)
    assert texts(tmp_path / "d", 3, "train+test") == ["text 1", "text 2", "text 3"]
    assert texts(tmp_path / "d", 3, "test+train") == ["text 3", "text 4", "text 1"]
    with pytest.raises(UserError, match="choose with --split"):
        texts(tmp_path / "d", 3)


def test_they_are_kept_until_the_files_change(tmp_path):
    path = parquet(tmp_path / "a.parquet", 1, 2, 3)

    def opened():
        dataset = open_dataset(str(path), first=2)[0]
        return dataset["text"][:], dataset.cache_files[0]["filename"]

    kept = opened()
    assert kept == opened()
    parquet(path, 4, 5, 6)
    changed = opened()
    assert changed[0] == ["text 4", "text 5"] and changed[1] != kept[1]


def test_images_are_the_bytes_of_the_file(tmp_path):
    path = parquet(tmp_path / "a.parquet", 1, 2, 3)
    every, some = HuggingFaceData(str(path)), HuggingFaceData(str(path), first=2)
    assert len(some) == 2
    for index in range(2):
        assert some[index].references == every[index].references
        assert some[index].image.digest == every[index].image.digest
        assert some[index].image.read() == every[index].image.read()


@pytest.mark.parametrize("first", [0, -3])
def test_less_than_one_row_is_refused(tmp_path, first):
    with pytest.raises(UserError, match=f"first is {first}; it is a number of rows, at least 1"):
        open_dataset(str(tmp_path), first=first)
