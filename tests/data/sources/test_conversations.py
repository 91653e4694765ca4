"""The base of the sources of conversations."""

from __future__ import annotations

import pickle

import pytest
from vqa_files import write

from frozenvl.data.arrow import table_cache
from frozenvl.data.arrow.row_table import RowTable
from frozenvl.data.sources.conversations import Conversation, Conversations
from frozenvl.prompt import NO_IMAGE
from frozenvl.util.errors import UserError


class Talks(Conversations):
    """Conversations whose records are rows as they are."""

    layout = "rows"

    def __init__(self, path: str, images: str | None = None) -> None:
        super().__init__(path, images)

    @classmethod
    def read(cls, file):
        for row in file.records():
            given = dict(row.data)
            lists = {name: tuple(given[name]) for name in ("files", "replies", "ids") if name in given}
            yield Conversation(**given | lists)


ROWS = [
    {
        "id": "a",
        "files": ["x/1.jpg", "COCO_val2014_000000000007.jpg"],
        "messages": [[0, "What"], ["and ", 1, "?"]],
        "replies": ["one", "two"],
        "kind": {"type": "long"},
        "choices": [["one", "1"], ["two"]],
        "correct": [0, -1],
        "relevance": [[1.0, 0.5], None],
    },
    {
        "id": "b/c",
        "files": [],
        "messages": [["Hello?"]],
        "replies": ["Hi."],
        "ids": ["q7"],
        "system": "Be kind.",
    },
    {"id": "d", "files": ["y.jpg"], "messages": [[0, "?"]], "replies": ["no"], "photograph": "vg/3"},
]


def talks(folder, rows=ROWS) -> Talks:
    return Talks(write(folder, "rows.json", rows), str(folder / "images"))


def test_rows_become_examples(tmp_path):
    first, text, other = talks(tmp_path)
    one, seven = first.images
    assert (one.path, seven.name) == (tmp_path / "images/x/1.jpg", "COCO_val2014_000000000007.jpg")
    assert first.image == one and first.kind == {"type": "long"}
    assert [turn.message for turn in first.turns] == [(one, "What"), ("and ", seven, "?")]
    assert [(turn.id, turn.choices, turn.correct, turn.relevance) for turn in first.turns] == [
        ("a/0", ("one", "1"), 0, (1.0, 0.5)),
        ("a/1", ("two",), -1, ()),
    ]
    assert (text.image, text.images, text.image_id, text.system) == (NO_IMAGE, (), "text b:c", "Be kind.")
    assert text.turns[0].id == "q7" and other.image_id == "vg/3"


def test_photographs_of_all_images(tmp_path):
    source = talks(tmp_path)
    ids = source.image_ids()
    assert ids == [example.image_id for example in source] and ids[1:] == ["text b:c", "vg/3"]
    assert source.all_image_ids() == [(ids[0], "coco/7"), (), ("vg/3",)]


def test_a_large_file_gives_equal_examples_in_every_process(tmp_path, feature_home, monkeypatch):
    usual = [*talks(tmp_path)]
    monkeypatch.setattr(table_cache, "MIN_BYTES", 0)
    monkeypatch.setattr(
        Talks, "__module__", "frozenvl.talks"
    )  # tables are kept of this package's sources alone
    mapped = talks(tmp_path)
    assert isinstance(mapped.rows, RowTable) and [*mapped] == usual
    assert [*pickle.loads(pickle.dumps(mapped.rows))] == [*mapped.rows]


def test_images_need_their_folder(tmp_path):
    assert Talks(write(tmp_path, "text.json", ROWS[1:2]))[0].id == "b/c"
    with pytest.raises(UserError, match=r"its conversations show images; give the folder .* \(images\)"):
        Talks(write(tmp_path, "rows.json", ROWS))
    with pytest.raises(UserError, match="no such image folder"):
        Talks(write(tmp_path, "rows.json", ROWS), str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="conversation a stands twice"):
        talks(tmp_path, [ROWS[0], ROWS[0]])
    with pytest.raises(UserError, match="lists no conversations"):
        talks(tmp_path, [])
