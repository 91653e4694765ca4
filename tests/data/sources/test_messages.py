"""Conversations as `messages`."""

from __future__ import annotations

import json

import pytest
from published_layouts import recognised
from vqa_files import write

from frozenvl.data.sources.messages import ChatMessages
from frozenvl.prompt import NO_IMAGE, ImageFile
from frozenvl.util.errors import UserError

PICTURE = {"type": "image"}


def said(*contents, system=None, **more) -> dict:
    messages = [
        {"role": ("user", "assistant")[n % 2], "content": content} for n, content in enumerate(contents)
    ]
    first = [] if system is None else [{"role": "system", "content": system}]
    return {"messages": [*first, *messages]} | more


def text(words: str) -> dict:
    return {"type": "text", "text": words}


def read(folder, *rows, **more) -> ChatMessages:
    return ChatMessages(write(folder, "messages.json", list(rows)), str(folder / "images"), **more)


def test_texts_and_lists_of_parts(tmp_path):
    one = said(
        [PICTURE, text("What is\nit? ")], "A bus.", "Why?", [text("Be"), text("cause.")], images=["a.jpg"]
    )
    source = read(tmp_path, one, said("Hello?", "Hi.", system=[text("Be kind.")], id="x"))
    first, second = source
    image = ImageFile(tmp_path / "images/a.jpg")
    assert first.id == "0" and first.turns[0].message == (image, "What is\nit?")
    assert [(turn.id, turn.reply) for turn in first.turns] == [("0/0", "A bus."), ("0/1", "Because.")]
    assert (second.id, second.system, second.image) == ("x", "Be kind.", NO_IMAGE)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image", "image": "a.jpg"},
        {"type": "image", "path": "a.jpg"},
        {"type": "image", "url": "a.jpg"},
        {"type": "image_url", "image_url": {"url": "a.jpg"}},
        {"type": "image", "image": {"path": "a.jpg"}},
    ],
)
def test_a_part_names_its_own_file(tmp_path, part):
    (example,) = read(tmp_path, said([text("What?"), part], "A bus."))
    assert example.turns[0].message == ("What?", ImageFile(tmp_path / "images/a.jpg"))


def test_a_file_address_is_a_file(tmp_path):
    part = {"type": "image_url", "image_url": {"url": f"file://{tmp_path}/b.jpg"}}
    assert read(tmp_path, said([part], "A bus."))[0].image.path == tmp_path / "b.jpg"


def test_images_in_the_order_of_the_messages(tmp_path):
    own = {"type": "image", "path": "own.jpg"}
    (example,) = read(
        tmp_path, said([own, PICTURE, text("A")], "1", [own, PICTURE], "2", images=["a.jpg", "b.jpg"])
    )
    names = [[getattr(part, "name", part) for part in turn.message] for turn in example.turns]
    assert names == [["own.jpg", "a.jpg", "A"], ["own.jpg", "b.jpg"]]
    assert example.image.name == "own.jpg" and len(example.images) == 3
    marked = said("<image>\nWhat <image>?", "1", images=["a.jpg", "b.jpg"])
    assert [getattr(p, "name", p) for p in read(tmp_path, marked)[0].turns[0].message] == [
        "a.jpg", "\nWhat ", "b.jpg", "?",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (said("Q", "A", "B"), r"'messages' ends with a question; each needs an answer"),
        (
            {"messages": [{"role": "assistant", "content": "A"}, {"role": "user", "content": "Q"}]},
            r"messages\[0\]: is an answer, but a conversation begins with a question",
        ),
        ({"messages": [{"role": "tool", "content": "A"}]}, "'role' is 'tool'; known are"),
        (said([PICTURE], "A"), "shows 1 image, but names 0 images"),
        (said("Q", [PICTURE], images=["a.jpg"]), "is an image outside a question"),
        (said([{"type": "video"}], "A"), r"content\[0\]: 'type' is 'video'; known are text, image and image_url"),
        (said([{"type": "image", "url": "https://x/1.jpg"}], "A"), "its image is an address .https://x/1.jpg.; down"),
        (said([{"type": "image", "url": "data:image/png;base64,AA"}], "A"), "is inside the file, as base64"),
        (said([{"type": "image", "image": 3}], "A"), r"its image is a number \(3\), not the name of a file"),
        (said([{"type": "text"}], "A"), "'text' is null, not a text"),
        (said([], "A"), "'content' holds neither a text nor an image"),
        (said([text(" ")], "A"), "'content' holds neither a text nor an image"),
        (said(None, "A"), "'content' is null, not a text"),
        (said("Q", "A", images=[3]), r"images\[0\] is a number \(3\), not the name of a file"),
        (said("Q", "A", images=3), "'images' is a number .3., not the name of a file, or a list of names"),
    ],
)  # fmt: skip
def test_records_that_cannot_be_used(tmp_path, row, problem):
    with pytest.raises(UserError, match=problem):
        read(tmp_path, said("Q", "A"), row)
    source = read(tmp_path, said("Q", "A"), row, unusable="leave out")
    unused = {note: count for note, count in source.notes.items() if "cannot be used" in note}
    assert len(source) == 1 and [*unused.values()] == [1]


def test_only_its_own_layout_is_recognised():
    assert recognised(ChatMessages) == {"chat messages"}


def test_json_lines_are_read(tmp_path):
    (tmp_path / "talks.jsonl").write_text("".join(json.dumps(said("Q", f"A{n}")) + "\n" for n in range(3)))
    source = ChatMessages(str(tmp_path / "talks.jsonl"))
    assert [example.targets for example in source] == [("A0",), ("A1",), ("A2",)]
