"""Conversations as files in LLaVA's layout."""

import json

import pytest
from painted import Painted

from frozenvl.data.conversation_file import read_conversations, write_conversation
from frozenvl.prompt import NO_IMAGE, ImageFile, Turn
from frozenvl.util.errors import UserError


@pytest.fixture
def pictures(tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("photos/red.png", "blue.png"):
        Painted(name.split("/")[-1][:-4]).read().save(tmp_path / name)
    return [ImageFile(tmp_path / "photos" / "red.png"), ImageFile(tmp_path / "blue.png")]


def test_a_saved_conversation_is_read_again(tmp_path, pictures):
    red, blue = pictures
    turns = (
        Turn((red, "what is it?"), "a square\nof red"),
        Turn(("and ", blue, " here?"), "blue"),
        Turn((red, blue), "two – zwei"),
        Turn((red, "\n\nwhat?"), "red"),
        Turn(("sure?",), ""),
    )
    write_conversation(tmp_path / "talk.json", turns, "Be brief.")
    (example,) = read_conversations(tmp_path / "talk.json")
    assert example.system == "Be brief." and example.id == "talk" and example.image == red
    assert [turn.reply for turn in example.turns] == [turn.reply for turn in turns]
    assert [turn.message for turn in example.turns[:3]] == [turn.message for turn in turns[:3]]
    (record,) = json.loads((tmp_path / "talk.json").read_text(encoding="utf-8"))
    assert record["image"] == ["photos/red.png", "blue.png", "photos/red.png", "blue.png", "photos/red.png"]
    assert [message["from"] for message in record["conversations"]] == ["system", *["human", "gpt"] * 5]
    assert record["conversations"][1]["value"] == "<image>\nwhat is it?"


def test_a_conversation_with_one_image_or_none(tmp_path, pictures):
    write_conversation(tmp_path / "a.json", [Turn((pictures[0], "what?"), "red")])
    write_conversation(tmp_path / "b.json", [Turn(("what?",), "red")])
    assert json.loads((tmp_path / "a.json").read_text())[0]["image"] == "photos/red.png"
    (example,) = read_conversations(tmp_path / "b.json")
    assert "image" not in json.loads((tmp_path / "b.json").read_text())[0] and example.image == NO_IMAGE
    elsewhere = tmp_path / "photos" / "c.json"
    write_conversation(elsewhere, [Turn((pictures[1], "what?"), "blue")])
    assert read_conversations(elsewhere)[0].image.read().getpixel((0, 0)) == (0, 0, 255)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("{}", "not a list of conversations"),
        ("[]", "not a list of conversations"),
        ("[1]", "record 0 has no conversations"),
        ('[{"conversations": [{"from": "human"}]}]', "record 0 has no conversations"),
        ('[{"conversations": [{"from": "human", "value": "a"}]}]', "not of human and gpt in turn"),
        ('[{"conversations": [{"from": "gpt", "value": "a"}, {"from": "human", "value": "a"}]}]', "in turn"),
        ('[{"conversations": [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": "a"}]}]', "has 0 images"),
        (
            '[{"image": "no.png", "conversations":'
            ' [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": "a"}]}]',
            "no such image",
        ),
    ],
)  # fmt: skip
def test_other_files_are_refused_in_one_line(tmp_path, content, message):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        read_conversations(tmp_path / "x.json")
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_written(tmp_path):
    with pytest.raises(UserError, match=r"ends with \.json"):
        write_conversation(tmp_path / "photo.jpg", [Turn(("a",), "b")])
    with pytest.raises(UserError, match="spells <image>"):
        write_conversation(tmp_path / "a.json", [Turn(("what is <image>?",), "b")])
    with pytest.raises(UserError, match=r"none\.json: No such file"):
        read_conversations(tmp_path / "none.json")
    assert not list(tmp_path.iterdir())
