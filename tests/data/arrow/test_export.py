"""`to_dataset`: a source as a data set of the library `datasets`, and back."""

from __future__ import annotations

from dataclasses import replace

import PIL.Image
import pytest
from toy import Rows, Square, question

from frozenvl.data.arrow.export import to_dataset
from frozenvl.data.sources.huggingface import HuggingFaceData
from frozenvl.data.sources.scenes import SceneCaptions, SceneQuestions
from frozenvl.prompt import ImageFile
from frozenvl.util.errors import UserError

datasets = pytest.importorskip("datasets", reason="the library datasets is not installed")


@pytest.mark.parametrize("kind", [SceneCaptions, SceneQuestions])
def test_examples_and_pixels_come_back_from_disk(kind, tmp_path):
    source = kind("val", size=4, resolution=32)
    made = to_dataset(source)
    assert isinstance(made.features["image"], datasets.Image) and len(made) == 4
    made.save_to_disk(str(tmp_path / "saved"))
    back = HuggingFaceData(str(tmp_path / "saved"))
    for before, after in zip(source, back, strict=True):
        assert replace(after, image=before.image) == before
        assert after.image.read().tobytes() == before.image.read().tobytes()


def test_columns_are_what_users_of_the_library_expect():
    source = SceneCaptions("val", size=2, resolution=32)
    row = to_dataset(source)[1]
    assert row["caption"] == list(source[1].references) and row["id"] == source[1].id
    assert row["image"].tobytes() == source[1].image.read().tobytes()


def test_an_image_file_keeps_its_bytes(tmp_path):
    path = tmp_path / "a.jpg"
    PIL.Image.effect_noise((16, 16), 50).convert("RGB").save(path, quality=30)
    made = to_dataset(Rows(question(0, ImageFile(path))))
    raw = made.cast_column("image", datasets.Image(decode=False))[0]["image"]
    assert raw["bytes"] == path.read_bytes()


def test_columns_are_chosen_by_name_after_other_work_with_the_library(tmp_path):
    source = SceneCaptions("val", size=3, resolution=32)
    made = to_dataset(source).map(lambda row: {"short": row["caption"][0][:4]}).remove_columns("frozenvl")
    made.save_to_disk(str(tmp_path / "saved"))
    back = HuggingFaceData(str(tmp_path / "saved"), columns={"caption": "short", "image": "image"})
    assert [example.references for example in back] == [(e.references[0][:4],) for e in source]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Rows(), "is empty"),
        (Rows(question(1), replace(question(2, Square("b")), id="q1")), "have the same id 'q1'"),
    ],
)
def test_what_cannot_be_a_data_set_is_refused(source, message):
    with pytest.raises(UserError, match=message):
        to_dataset(source)
