"""The base of caption sources."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from frozenvl.data.sources.captions import Captioned, Captions, by_image
from frozenvl.util.errors import UserError


class Rows(Captions):
    """Rows of one caption each."""

    layout = "rows"

    def __init__(self, file: str, images: str) -> None:
        super().__init__(file, images)

    @classmethod
    def read(cls, file):
        rows = (
            Captioned(r.id("id"), r.file("file"), r.texts("text"), r.labels("domain")) for r in file.records()
        )
        return by_image(file, rows)


def written(folder, *rows) -> Rows:
    (folder / "rows.json").write_text(
        json.dumps([dict(zip(("id", "file", "text", "domain"), r, strict=False)) for r in rows])
    )
    return Rows(str(folder / "rows.json"), str(folder))


def test_rows_of_an_image_are_one_example(tmp_path):
    source = written(tmp_path, (1, "a.jpg", "x", "in"), (2, "b.jpg", ["y", "z"]), ("1", "a.jpg", "w", "in"))
    assert [(e.id, e.references, e.kind) for e in source] == [
        ("1", ("x", "w"), {"domain": "in"}),
        ("2", ("y", "z"), {}),
    ]
    assert source[0].image.path == tmp_path / "a.jpg"
    assert source.image_ids() == [e.image_id for e in source]
    assert [*source.targets_per_example] == [2, 2] and source.pairs == 4


def test_an_image_that_is_described_in_two_ways_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"image 1 is described twice in different ways \(a.jpg, b.jpg\)"):
        written(tmp_path, (1, "a.jpg", "x"), (1, "b.jpg", "y"))


def test_records_can_be_read_without_images(tmp_path):
    written(tmp_path, (1, "a.jpg", "x"))
    notes: Counter[str] = Counter()
    assert [*Rows.annotated(tmp_path / "rows.json", notes)] == [Captioned("1", "a.jpg", ("x",))]
    with pytest.raises(UserError, match="lists no images"):
        written(tmp_path)
