"""Conversations in LLaVA's layout."""

from __future__ import annotations

import json

import pytest
from painted import Painted
from toy import Rows, Square, question

from frozenvl.data.convert import convert
from frozenvl.data.registry import build_source
from frozenvl.data.shards.record import as_record
from frozenvl.data.sources.llava import LlavaConversations
from frozenvl.data.writers.llava import write_conversation
from frozenvl.prompt import NO_IMAGE, Example, ImageFile, Turn
from frozenvl.util.errors import UserError

A, B = Square("a.png", (200, 0, 0)), Square("b.png", (0, 0, 200))


def talk(key: str, *turns: Turn, image=A, image_id: str = "a.png", **more) -> Example:
    return Example(key, image, image_id, turns=turns, **more)


PLAIN = [
    talk(
        "1", Turn((A, "\nWhat?"), "A\nbus.", "1/0"), Turn(("And ", B, "?"), "No.", "1/1"), system="Be kind."
    ),
    talk("2", Turn(("Hello?",), "Hi.", "2/0"), image=NO_IMAGE, image_id="text 2"),
    talk("3", Turn((B,), "blue", "3/0"), image=B, image_id="b.png"),
]
AWKWARD = [
    talk("1", Turn((A, "says <image>?"), "yes", "1/0")),
    talk("2", Turn((A, " What? "), " yes", "2/0")),
    talk("3", Turn((A, "What?"), "yes", "q7", ("yes", "no"), 0, (1.0, 0.5)), kind={"type": "x"}),
    talk("4", Turn((A, "What?"), "yes", "4/0"), Turn((A, "again?"), "no", "4/1")),
    talk(" 5", Turn((A, "What?"), "yes", " 5/0")),
    talk("6", Turn((A, "What?"), "yes", "6/0"), image_id="vg/17"),
    talk("7", Turn(("Hello? <image>",), "Hi.", "7/0"), image=NO_IMAGE, image_id="text 7"),
]


@pytest.mark.parametrize(("examples", "plain"), [(PLAIN, True), (AWKWARD, False)])
def test_what_was_written_reads_the_same(tmp_path, examples, plain):
    made = convert(Rows(*examples), tmp_path / "made", "llava")
    written = json.loads((tmp_path / "made/conversations.json").read_text())
    assert {"frozenvl" in row for row in written} == {not plain}
    again = [*build_source(made.reader[0], made.reader[1:])]
    for one, other in zip(examples, again, strict=True):
        assert as_record(other) | {"image_id": ""} == as_record(one) | {"image_id": ""}
        assert [i.read().tobytes() for i in other.images] == [i.read().tobytes() for i in one.images]
    if not plain:
        assert again[5].image_id == "vg/17" and again[6].image is NO_IMAGE


def test_other_programs_read_it(tmp_path):
    convert(Rows(*PLAIN), tmp_path / "made", "llava")
    rows = json.loads((tmp_path / "made/conversations.json").read_text())
    assert rows[0] == {
        "id": "1",
        "image": ["a.png", "b.png"],
        "conversations": [
            {"from": "system", "value": "Be kind."},
            {"from": "human", "value": "<image>\nWhat?"},
            {"from": "gpt", "value": "A\nbus."},
            {"from": "human", "value": "And <image>?"},
            {"from": "gpt", "value": "No."},
        ],
    }
    assert "image" not in rows[1] and rows[2]["image"] == "b.png"
    assert sorted(path.name for path in (tmp_path / "made/images").iterdir()) == ["a.png", "b.png"]


def test_questions_are_refused(tmp_path):
    with pytest.raises(
        UserError, match=r"example q1 is no conversation.*Joined makes conversations of questions"
    ):
        convert(Rows(question(1)), tmp_path / "made", "llava")


@pytest.mark.parametrize("record", [3, {}, {"turns": []}, "other images"])
def test_a_record_that_is_none_is_refused(tmp_path, record):
    made = convert(Rows(*AWKWARD), tmp_path / "made", "llava")
    file = tmp_path / "made/conversations.json"
    rows = json.loads(file.read_text())
    if record == "other images":
        rows[3]["frozenvl"]["turns"][0]["message"][0] = 2
    else:
        rows[3]["frozenvl"] = record
    file.write_text(json.dumps(rows))
    with pytest.raises(
        UserError, match=r"record \[3\] .*: 'frozenvl' is not the record of a conversation about"
    ):
        build_source(made.reader[0], made.reader[1:])


@pytest.fixture
def pictures(tmp_path):
    """Image files, one of them in a folder."""
    (tmp_path / "photos").mkdir()
    files = [tmp_path / "photos" / "red.png", tmp_path / "blue.png"]
    for file in files:
        Painted(file.stem).read().save(file)
    return [ImageFile(file) for file in files]


def reread(path) -> Example:
    """Returns the only conversation of a file."""
    (example,) = LlavaConversations(str(path), str(path.parent))
    return example


def test_a_saved_conversation_is_read_again(tmp_path, pictures):
    red, blue = pictures
    turns = (
        Turn((red, "what is it?"), "a square\nof red", "talk/0"),
        Turn(("and ", blue, " here?"), "blue", "talk/1"),
        Turn((red, blue), "two – zwei", "talk/2"),
        Turn((red, "\n\nwhat?"), "red", "talk/3"),
        Turn(("sure?",), "yes", "talk/4"),
    )
    write_conversation(tmp_path / "talk.json", turns, "Be brief.")
    example = reread(tmp_path / "talk.json")
    assert (example.id, example.system, example.image, example.turns) == ("talk", "Be brief.", red, turns)
    (record,) = json.loads((tmp_path / "talk.json").read_text(encoding="utf-8"))
    assert record["image"] == ["photos/red.png", "blue.png", "photos/red.png", "blue.png", "photos/red.png"]
    assert [message["from"] for message in record["conversations"]] == ["system", *["human", "gpt"] * 5]


def test_a_saved_conversation_with_one_image_or_none(tmp_path, pictures):
    write_conversation(tmp_path / "a.json", [Turn((pictures[0], "what?"), "red")])
    write_conversation(tmp_path / "b.json", [Turn(("what?",), "red")])
    assert json.loads((tmp_path / "a.json").read_text())[0]["image"] == "photos/red.png"
    assert "image" not in json.loads((tmp_path / "b.json").read_text())[0]
    assert reread(tmp_path / "b.json").image == NO_IMAGE
    elsewhere = tmp_path / "photos" / "c.json"
    write_conversation(elsewhere, [Turn((pictures[1], "what?"), "blue")])
    assert reread(elsewhere).image.read().getpixel((0, 0)) == (0, 0, 255)


def test_conversations_that_cannot_be_saved(tmp_path):
    with pytest.raises(UserError, match=r"ends with \.json"):
        write_conversation(tmp_path / "photo.jpg", [Turn(("a",), "b")])
    with pytest.raises(UserError, match="spells <image>"):
        write_conversation(tmp_path / "a.json", [Turn(("what is <image>?",), "b")])
    assert not list(tmp_path.iterdir())
