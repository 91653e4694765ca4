"""Features on disk: files are added whole and merged; other processes find them at any moment."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from frozenvl.model.vision import feature_store
from frozenvl.model.vision.feature_store import PIECE, FeatureStore, pieces


@pytest.fixture
def new(tmp_path):
    """Function that opens the store as a new process would."""
    return lambda: FeatureStore("encoder", (2, 3), torch.float32, tmp_path)


def rows(first: int, number: int) -> tuple[list[str], torch.Tensor]:
    """Returns digests and features of consecutive images."""
    values = torch.arange(first, first + number, dtype=torch.float32)
    return [f"{value:032}" for value in range(first, first + number)], values[:, None, None].expand(-1, 2, 3)


def names(store: FeatureStore) -> list[str]:
    return sorted(path.name for path in store.folder.glob("*.safetensors"))


def test_pieces_are_merged_into_segments_that_every_process_finds(new, monkeypatch):
    monkeypatch.setattr(feature_store, "SEGMENT", 4)
    one, other = new(), new()
    for first in (0, 3):
        one.add(*rows(first, 3), PIECE)
        one.load()
        other.load()
        one.merge()
    assert len(names(one)) == 2 and not any(name.endswith(PIECE) for name in names(one))
    for store in (one, other, late := new()):
        store.load()
        for digest, value in zip(*rows(0, 6), strict=True):
            assert digest in store and store.row(digest).equal(value)
        assert store.bytes == 6 * store.row_bytes == 6 * 24
    assert late._files.keys() == one._files.keys() == other._files.keys()


@pytest.mark.parametrize("first", [PIECE, ".safetensors"])
def test_images_stay_when_the_piece_goes_that_was_merged(new, monkeypatch, first):
    """A reader lists the folder when a segment and the piece that it was merged from are both there."""
    writer, reader = new(), new()
    for end in (PIECE, ".safetensors"):
        monkeypatch.setattr(
            feature_store.uuid, "uuid4", lambda name="ab"[end != first]: SimpleNamespace(hex=name)
        )
        writer.add(*rows(0, 3), end)
    reader.load()
    assert len(names(reader)) == 2
    next(reader.folder.glob(f"*{PIECE}")).unlink()
    reader.load()
    for digest, value in zip(*rows(0, 3), strict=True):
        assert digest in reader and reader.row(digest).equal(value)


def test_few_pieces_wait_unless_they_fill_a_segment(new, monkeypatch):
    store = new()
    store.add(*rows(0, 3), PIECE)
    store.load()
    store.merge()
    assert len(names(store)) == 1 and names(store)[0].endswith(PIECE)
    monkeypatch.setattr(feature_store, "SEGMENT_BYTES", 2 * store.row_bytes)
    store.merge()
    assert len(names(store)) == 2 and not any(name.endswith(PIECE) for name in names(store))


def test_only_one_process_merges(new, monkeypatch):
    store = new()
    store.add(*rows(0, 3), PIECE)
    store.load()
    monkeypatch.setattr(store.claims, "take", lambda names, most: [])
    store.merge(least=1)
    assert names(store)[0].endswith(PIECE)


def test_a_file_that_is_merged_while_the_folder_is_listed_is_found_at_the_next_look(new, monkeypatch):
    writer, reader = new(), new()
    writer.add(*rows(0, 3), PIECE)
    writer.load()
    load = FeatureStore._load

    def merged_meanwhile(store, name):
        monkeypatch.setattr(FeatureStore, "_load", load)
        writer.merge(least=1)
        store._load(name)

    monkeypatch.setattr(FeatureStore, "_load", merged_meanwhile)
    reader.load()
    assert rows(0, 1)[0][0] not in reader
    reader.load()
    assert all(digest in reader for digest in rows(0, 3)[0])


@pytest.mark.parametrize("content", [b"", b"\x10"])
def test_a_file_that_was_cut_off_counts_as_missing(new, content):
    store = new()
    store.add(*rows(0, 2))
    (store.folder / "a.safetensors").write_bytes(content)
    store.load()
    assert all(digest in store for digest in rows(0, 2)[0]) and store.bytes == 2 * store.row_bytes


def test_the_folder_is_listed_again_only_after_a_change(new, monkeypatch):
    store = new()
    store.load()  # there is no folder yet
    store.add(*rows(0, 2))
    store.load()
    monkeypatch.setattr(feature_store, "TICK", -1)
    listed = []
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda *args: listed.append(1) or glob(*args))
    store.load()
    assert not listed
    store.add(*rows(2, 2))
    store.load()
    assert listed == [1] and rows(3, 1)[0][0] in store


def test_pieces_of_a_list():
    assert list(pieces([1, 2, 3], 2)) == [[1, 2], [3]] and list(pieces([], 2)) == []
