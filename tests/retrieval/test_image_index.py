"""`ImageIndex`: search, and an index that follows its folder."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from frozenvl.prompt import ImageFile
from frozenvl.retrieval import ImageIndex, image_index
from frozenvl.util.errors import UserError

OLD = time.time() - 1000


def age(folder: Path) -> None:
    """Sets the time of change of all files to one in the past, as of files that were not written just now."""
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (OLD, OLD))


def names(hits) -> list[str]:
    return [hit.path.name for hit in hits]


def test_images_are_found_by_text_by_image_and_by_embedding(folder, colours, paint, tmp_path):
    index = ImageIndex(colours(), folder)
    assert len(index) == 4 and index.vectors.shape == (4, 3)
    hits = index.search("a red car", top=2)
    assert names(hits) == ["a.png", "d.PNG"] and hits[0].path == folder / "a.png"
    assert hits[0].score == pytest.approx(1, abs=0.01) and hits[1].score == pytest.approx(0.5**0.5, abs=0.01)
    paint(tmp_path / "query.png", "blue")
    assert names(index.search(ImageFile(tmp_path / "query.png"), 1)) == ["c.jpg"]
    assert names(index.search(np.array([0, 1, 0], np.float32), 1)) == ["b.png"]
    assert len(index.search("red", top=99)) == 4
    with pytest.raises(UserError, match="embeddings of different sizes"):
        index.search(np.ones(5, np.float32))


def test_only_new_and_changed_images_are_embedded_again(folder, colours, paint):
    age(folder)
    ImageIndex(colours(), folder)

    def opened() -> tuple[list[str], ImageIndex]:
        model = colours()
        index = ImageIndex(model, folder)
        assert index.embedded == len(model.images)
        return model.images, index

    assert opened()[0] == []
    paint(folder / "a.png", "blue", 9)
    paint(folder / "new.png", "red")
    assert opened()[0] == ["a.png"]  # the new one has the content that a.png had
    shutil.move(folder / "b.png", folder / "moved.png")
    shutil.copy(folder / "c.jpg", folder / "copied.jpg")
    (folder / "sub" / "d.PNG").unlink()
    embedded, index = opened()
    assert embedded == []
    assert [path.name for path in index.paths] == ["a.png", "c.jpg", "copied.jpg", "moved.png", "new.png"]
    assert names(index.search("red", 1)) == ["new.png"] and names(index.search("green", 1)) == ["moved.png"]


def test_a_change_that_keeps_size_and_time_is_noticed_if_the_file_was_young(folder, colours, paint):
    young = time.time() + 3600  # young however slow the machine is
    for file, colour in (("a.bmp", "red"), ("a.bmp", "blue")):
        paint(folder / file, colour)
        os.utime(folder / file, (young, young))
        index = ImageIndex(colours(), folder)
        assert names(index.search(colour, 2))[0].startswith("a.")
    assert "a.bmp" in names(index.search("blue", 2))


def test_files_that_are_old_and_unchanged_are_not_read(folder, colours, monkeypatch):
    age(folder)
    ImageIndex(colours(), folder)
    monkeypatch.setattr(ImageFile, "digest", property(lambda self: pytest.fail(f"{self.path} was read")))
    assert len(ImageIndex(colours(), folder)) == 4


def test_broken_images_are_listed_and_the_others_found(folder, colours, paint):
    (folder / "bb.png").write_bytes(b"no image")
    age(folder)
    for _ in range(2):
        index = ImageIndex(colours(), folder)
        assert len(index) == 4
        ((path, reason),) = index.unreadable.items()
        assert path == folder / "bb.png" and "bb.png: not a readable image (cannot identify" in reason
    paint(folder / "bb.png", "red", 9)
    assert not ImageIndex(colours(), folder).unreadable
    for path in folder.rglob("*.*"):
        if path.suffix != ".safetensors" and path.is_file():
            path.write_bytes(b"no image")
    with pytest.raises(UserError, match=r"photos: no readable image among 5; the first: .*a.png: not a"):
        ImageIndex(colours(), folder)


def test_indexes_of_several_models_stand_beside_each_other(folder, colours):
    first, second = colours(1.0), colours(2.0)
    for model in (first, second):
        ImageIndex(model, folder)
        assert len(model.images) == 4
    for weight in (1.0, 2.0):
        model = colours(weight)
        ImageIndex(model, folder)
        assert model.images == []
    assert len(list((folder / ".frozenvl").iterdir())) == 2


def test_an_index_that_was_renamed_to_another_models_is_refused(folder, colours):
    place = ImageIndex(colours(1.0), folder).place
    from frozenvl.retrieval import Embedder

    place.rename(place.with_name(Embedder(colours(2.0)).fingerprint))
    with pytest.raises(UserError, match="part of an index of another model"):
        ImageIndex(colours(2.0), folder)


def test_an_interrupted_start_keeps_what_it_embedded(folder, colours, monkeypatch):
    monkeypatch.setattr(image_index, "SEGMENT", 1)

    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ImageIndex(colours(), folder, progress=stop)
    model = colours()
    assert len(ImageIndex(model, folder)) == 4 and model.images == ["d.PNG"]


def test_a_lost_list_of_files_costs_no_embedding(folder, colours):
    place = ImageIndex(colours(), folder).place
    for content in (None, "{", '{"files": {"a.png": 3}}', "[]"):
        (place / "files.json").unlink() if content is None else (place / "files.json").write_text(content)
        model = colours()
        assert len(ImageIndex(model, folder)) == 4 and model.images == []


def test_the_index_of_a_folder_that_cannot_be_written_is_in_the_cache(
    folder, colours, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("FROZENVL_HOME", str(tmp_path / "home"))
    (folder / ".frozenvl").touch()  # so that no folder can be made, even by root
    index = ImageIndex(colours(), folder)
    assert tmp_path / "home" / "indexes" in index.place.parents
    assert f"{folder} cannot be written; its index is kept in {index.place.parent}" in capsys.readouterr().err
    model = colours()
    assert names(ImageIndex(model, folder).search("green", 1)) == ["b.png"] and model.images == []


def test_an_index_beside_images_that_became_read_only_is_still_used(
    folder, colours, paint, tmp_path, monkeypatch
):
    monkeypatch.setenv("FROZENVL_HOME", str(tmp_path / "home"))
    ImageIndex(colours(), folder)
    paint(folder / "new.png", "red", 9)
    monkeypatch.setattr(image_index, "_writable", lambda place: False)
    for expected in (["new.png"], []):
        model = colours()
        assert len(ImageIndex(model, folder)) == 5 and model.images == expected


def test_file_names_that_are_no_utf8_are_kept(folder, colours):
    odd = os.fsdecode(os.fsencode(folder) + b"/\xff\n.png")
    shutil.copy(folder / "a.png", odd)
    age(folder)
    for _ in range(2):
        assert Path(odd) in ImageIndex(colours(), folder).paths


def test_images_of_a_lost_part_are_embedded_again(folder, colours):
    age(folder)
    place = ImageIndex(colours(), folder).place
    (segment,) = place.glob("*.safetensors")
    segment.unlink()
    model = colours()
    assert len(ImageIndex(model, folder)) == 4 and len(model.images) == 4
