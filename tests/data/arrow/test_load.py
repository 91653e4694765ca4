"""Opening data sets: files, globs, folders, saved data sets, image folders, names on the hub."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from pathlib import Path

import datasets
import pytest
from parquet import images, write_parquet
from tars import picture

from frozenvl.data.arrow import load
from frozenvl.data.arrow.load import open_dataset
from frozenvl.util.errors import UserError


@pytest.fixture(autouse=True)
def alone(arrow_cache, monkeypatch) -> None:
    """Any connection fails the test."""

    def refuse(*arguments, **named):
        raise AssertionError(f"a connection was made: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def texts(path: object, split: str | None = None) -> list[str]:
    return open_dataset(str(path), split)[0]["text"][:]


def parquet(path: Path, *numbers: int) -> Path:
    return write_parquet(path, image=images(*numbers), text=[f"text {n}" for n in numbers])


def test_a_file_a_glob_and_a_folder(tmp_path):
    one = parquet(tmp_path / "d" / "0.parquet", 1, 2)
    parquet(tmp_path / "d" / "1.parquet", 3)
    (tmp_path / "d" / "1_stats.json").write_text("{}")
    (tmp_path / "d" / ".hidden.parquet").write_text("x")
    assert texts(one) == ["text 1", "text 2"]
    assert texts(tmp_path / "d") == texts(tmp_path / "d" / "*.parquet") == ["text 1", "text 2", "text 3"]
    assert open_dataset(str(one))[1] == open_dataset(str(tmp_path / "d"))[1] == tmp_path / "d"


def test_a_changed_file_is_read_again(tmp_path):
    path = parquet(tmp_path / "a.parquet", 1)
    assert texts(path) == ["text 1"]
    parquet(path, 2, 3)
    assert texts(path) == ["text 2", "text 3"]


def test_relative_paths(tmp_path, monkeypatch):
    parquet(tmp_path / "d" / "0.parquet", 1)
    monkeypatch.chdir(tmp_path)
    assert texts("d") == texts("d/0.parquet") == texts("d/*.parquet") == texts("./d") == ["text 1"]


SPLITS = {
    "hub": ("data/train-00000-of-00001.parquet", "data/val_unseen-00000-of-00001.parquet", "val_unseen"),
    "folders": ("train/0000.parquet", "validation/0000.parquet", "validation"),
    "names": ("coco_train.parquet", "coco-test.parquet", "test"),
}


@pytest.mark.parametrize("name", SPLITS)
def test_splits_are_those_that_paths_name(tmp_path, name):
    first, second, split = SPLITS[name]
    parquet(tmp_path / "d" / first, 1)
    parquet(tmp_path / "d" / second, 2)
    assert texts(tmp_path / "d", "train") == ["text 1"] and texts(tmp_path / "d", split) == ["text 2"]
    assert texts(tmp_path / "d", f"{split}+train") == ["text 2", "text 1"]
    with pytest.raises(
        UserError, match=rf"has the splits (train, {split}|{split}, train); choose with --split"
    ):
        texts(tmp_path / "d")
    with pytest.raises(UserError, match="has no split 'x'; it has"):
        texts(tmp_path / "d", "x")


def test_configurations_in_folders_are_not_mixed(tmp_path):
    parquet(tmp_path / "en" / "train-00000-of-00001.parquet", 1)
    parquet(tmp_path / "de" / "train-00000-of-00001.parquet", 2)
    with pytest.raises(
        UserError, match=r"'train' lies in several folders \(.*de, .*en\); name one of them, or give a"
    ):
        texts(tmp_path)
    assert texts(tmp_path / "en") == ["text 1"]
    assert texts(tmp_path / "**" / "*.parquet") == ["text 2", "text 1"]


def test_a_clone_whose_readme_has_configurations(tmp_path):
    parquet(tmp_path / "en" / "a.parquet", 1)
    parquet(tmp_path / "de" / "a.parquet", 2)
    configs = [{"config_name": name, "data_files": f"{name}/*.parquet"} for name in ("en", "de")]
    (tmp_path / "README.md").write_text(f"---\nconfigs: {json.dumps(configs)}\n---\n")
    assert open_dataset(str(tmp_path), subset="de")[0]["text"][:] == ["text 2"]
    with pytest.raises(
        UserError, match=r"cannot be read \(.*Config name is missing.*'en', 'de'.*\); choose with --subset"
    ):
        texts(tmp_path)


def test_saved_data_sets_and_arrow_files(tmp_path):
    rows = datasets.Dataset.from_dict({"image": images(*range(9)), "text": list("abcdefghi")})
    rows.select([4, 2]).save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": rows, "dev": rows.select([3])}).save_to_disk(str(tmp_path / "two"))
    assert texts(tmp_path / "one") == ["e", "c"] and texts(tmp_path / "two", "dev") == ["d"]
    assert texts(next((tmp_path / "one").glob("*.arrow"))) == ["e", "c"]
    with pytest.raises(UserError, match="has the splits train, dev; choose with --split train"):
        texts(tmp_path / "two")
    with pytest.raises(UserError, match="has no splits; leave out --split train"):
        texts(tmp_path / "one", "train")


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv", "metadata.parquet"])
def test_an_image_folder(tmp_path, name):
    folder = tmp_path / "train"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(picture(1))
    rows = {
        "metadata.jsonl": '{"file_name": "a.jpg", "text": "x"}\n',
        "metadata.csv": "file_name,text\na.jpg,x\n",
    }
    if name == "metadata.parquet":
        write_parquet(folder / name, file_name=["a.jpg"], text=["x"])
    else:
        (folder / name).write_text(rows[name])
    assert texts(tmp_path) == texts(folder) == texts(folder / name) == ["x"]


def test_an_image_folder_with_two_tables_is_refused(tmp_path):
    (tmp_path / "a.jpg").write_bytes(picture(1))
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.jpg", "text": "x"}\n')
    (tmp_path / "metadata.csv").write_text("file_name,text\na.jpg,y\n")
    for path in (tmp_path, tmp_path / "metadata.csv"):
        with pytest.raises(UserError, match=r"has metadata.csv and metadata.jsonl; keep one of them"):
            texts(path)


BROKEN = {
    "a pointer of Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "fetch it with `git lfs pull`",
    ),
    "empty": (b"", "it is empty"),
    "a tar": (b"\0" * 600, "not a Parquet file; download it again"),
    "cut off": (b"PAR1" + b"x" * 600, r"cannot be read \(.*corrupted"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_one_line(tmp_path, capfd, name):
    content, message = BROKEN[name]
    (tmp_path / "a.parquet").write_bytes(content)
    for path in (tmp_path, tmp_path / "a.parquet"):
        with pytest.raises(UserError, match=message) as raised:
            texts(path)
        assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


def test_files_of_different_columns_are_refused(tmp_path):
    parquet(tmp_path / "d" / "0.parquet", 1)
    write_parquet(tmp_path / "d" / "1.parquet", image=images(1), caption=["a"])
    with pytest.raises(UserError, match="d: cannot be read"):
        texts(tmp_path / "d")


@pytest.mark.parametrize(
    ("suffix", "content", "source"),
    [
        (".tar", "x", "Shards"),
        (".csv", "image,caption\na.jpg,a dog\n", "TableCaptions"),
        (".json", '{"images": [{"id": 1, "file_name": "a.jpg"}]}', "CocoCaptions"),
    ],
)
def test_files_of_other_sources_are_named(tmp_path, suffix, content, source):
    (tmp_path / f"a{suffix}").write_text(content)
    with pytest.raises(UserError, match=f"not a Parquet or Arrow file; this is .*: use {source} "):
        texts(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("path", ["", " ", "/nowhere", "./nowhere", "../nowhere", "a/b/c", "~/nowhere"])
def test_paths_that_do_not_exist_are_not_asked_for_on_the_hub(path):
    with pytest.raises(UserError, match="no such file or folder; name the data's folder"):
        texts(path)


def test_other_places_without_data(tmp_path):
    with pytest.raises(UserError, match="holds no Parquet or Arrow files"):
        texts(tmp_path)
    with pytest.raises(UserError, match="matches no files"):
        texts(tmp_path / "*.parquet")


def test_a_name_on_the_hub_without_a_network_is_one_line(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        UserError, match=r"own/photos: no such file or folder, not in the cache of the library"
    ) as raised:
        texts("own/photos")
    assert "\n" not in str(raised.value)


def test_a_name_on_the_hub_is_read_from_the_cache(tmp_path, arrow_cache, monkeypatch):
    path = parquet(tmp_path / "a.parquet", 1, 2)
    datasets.Dataset.from_parquet(str(path), cache_dir=str(tmp_path / "made"))
    made = next((tmp_path / "made").rglob("dataset_info.json")).parent
    kept = arrow_cache / "own___photos" / "default" / "0.0.0" / ("0" * 40)
    shutil.copytree(made, kept)
    for file in kept.glob("parquet-*"):
        file.rename(kept / file.name.replace("parquet-", "photos-"))
    info = json.loads((kept / "dataset_info.json").read_text())
    (kept / "dataset_info.json").write_text(
        json.dumps(info | {"dataset_name": "photos", "config_name": "default"})
    )
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert texts("own/photos") == ["text 1", "text 2"]
    assert open_dataset("own/photos", first=1)[0]["text"][:] == ["text 1"]
    assert not datasets.config.HF_HUB_OFFLINE


def test_the_library_may_be_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        UserError, match=r"needs the library datasets; install it with `pip install 'frozenvl\[datasets\]'`"
    ):
        load.library()
