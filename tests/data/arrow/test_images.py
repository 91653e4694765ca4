"""Images in the rows of a data set."""

from __future__ import annotations

import pickle
from pathlib import Path

import datasets
import pytest
from parquet import images
from tars import picture

from frozenvl.data.arrow.images import ImageColumn
from frozenvl.prompt import ImageFile, StoredImage
from frozenvl.util.errors import UnreadableImage


def column(values, folder: Path = Path(), name: str = "image") -> ImageColumn:
    return ImageColumn(
        datasets.Dataset.from_dict({name: values, "other": [0] * len(values)}), name, "data:train", folder
    )


def test_bytes_are_read_from_the_row_at_access():
    made = column(images(4, None, 5, name="deep/../../{}.jpg"))
    assert made.present().tolist() == [True, False, True] and made.kind == "struct"
    image = made.image(2, "7")
    assert isinstance(image, StoredImage) and (image.name, image.key) == ("5.jpg", "data:train#2")
    assert image.load() == made.content(2) == picture(5)
    assert made.path(0) == "deep/../../4.jpg" and made.paths() == ["deep/../../4.jpg", "", "deep/../../5.jpg"]


def test_a_column_of_bytes_names_its_images_by_id():
    made = column([picture(1), None], name="jpg")
    assert (made.kind, made.present().tolist(), made.paths()) == ("bytes", [True, False], ["", ""])
    assert made.image(0, "000001").name == "000001.jpg" and made.image(0, "1").load() == picture(1)
    assert column([picture(1)]).image(0, "000001").name == "000001"
    assert column([{"bytes": picture(1)}]).image(0, "9").name == "9"


def test_paths_are_files_below_the_folder(tmp_path):
    (tmp_path / "a.jpg").write_bytes(picture(1))
    made = column(["a.jpg", None, "b.jpg"], tmp_path)
    assert made.present().tolist() == [True, False, True] and made.kind == "path"
    assert made.image(0, "") == ImageFile(tmp_path / "a.jpg") and made.image(0, "").read().size == (8, 6)
    with pytest.raises(UnreadableImage, match=r"b.jpg: no such image"):
        made.image(2, "").read()


def test_an_image_folder_has_paths_without_bytes(tmp_path):
    for name in ("a.jpg", "b.jpg", "c.png", "d.txt"):
        (tmp_path / name).write_bytes(picture(1))
    made = column([{"bytes": None, "path": str(tmp_path / "a.jpg")}, {"bytes": None, "path": None}])
    assert made.present().tolist() == [True, False] and made.image(0, "") == ImageFile(tmp_path / "a.jpg")
    assert made.unlisted() == 2 and column(images(1)).unlisted() == column([picture(1)]).unlisted() == 0


def test_an_image_survives_pickling(tmp_path, arrow_cache):
    datasets.Dataset.from_dict({"image": images(1, 2)}).save_to_disk(str(tmp_path / "saved"))
    image = ImageColumn(datasets.load_from_disk(str(tmp_path / "saved")), "image", "x", tmp_path).image(1, "")
    pickled = pickle.dumps(image)
    assert len(pickled) < 10_000
    assert pickle.loads(pickled) == image and pickle.loads(pickled).digest == image.digest
