"""Messages in pairs, places of images, and records that cannot be used."""

from __future__ import annotations

import json

import pytest

from frozenvl.data.records.record_file import RecordFile
from frozenvl.data.sources.conversations import Conversation
from frozenvl.data.sources.dialogue import Shown, check_choices, dialogue, usable
from frozenvl.util.errors import UserError


def file_of(folder, *rows) -> RecordFile:
    (folder / "rows.json").write_text(json.dumps(rows))
    return RecordFile(folder / "rows.json", "rows")


def said(*roles: str) -> dict:
    return {"talk": [{"role": role, "text": str(place)} for place, role in enumerate(roles)]}


def pairs(folder, *roles: str):
    (row,) = file_of(folder, said(*roles)).records()
    system, found = dialogue(row, "talk", "role")
    return system and system.text("text"), [(one.text("text"), two.text("text")) for one, two in found]


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        (("user", "assistant"), (None, [("0", "1")])),
        (("human", "gpt", "user", "assistant"), (None, [("0", "1"), ("2", "3")])),
        (("system", "user", "assistant"), ("0", [("1", "2")])),
        (("developer", "human", "gpt"), ("0", [("1", "2")])),
    ],
)
def test_messages_are_paired(tmp_path, roles, expected):
    assert pairs(tmp_path, *roles) == expected


@pytest.mark.parametrize(
    ("roles", "problem"),
    [
        ((), r"'talk' has no messages"),
        (("system",), r"'talk' has no messages"),
        (("user",), r"'talk' ends with a question; each needs an answer"),
        (("user", "assistant", "user"), r"'talk' ends with a question"),
        (("assistant",), r"talk\[0\]: is an answer, but a conversation begins with a question"),
        (("system", "assistant", "user"), r"talk\[1\]: is an answer, but a conversation begins"),
        (("user", "user"), r"talk\[1\]: is a second question in a row"),
        (("user", "assistant", "gpt"), r"talk\[2\]: is a second answer in a row"),
        (("user", "system", "assistant"), r"talk\[1\]: is a system message behind another one"),
        (("system", "system", "user", "assistant"), r"talk\[1\]: is a system message behind another one"),
        (("user", "bot"), r"talk\[1\]: 'role' is 'bot'; known are human, user, gpt, assistant, system"),
    ],
)
def test_what_is_wrong_is_said_once(tmp_path, roles, problem):
    file = file_of(tmp_path, said(*roles))
    (row,) = file.records()
    assert dialogue(row, "talk", "role")[1] == [] and file.count == 1
    with pytest.raises(UserError, match=problem):
        file.check()


def test_marks_are_counted_over_all_messages():
    shown = Shown(["a.jpg", "b.jpg", "c.jpg"])
    assert shown.marked("<i>What<i> ?", "<i>") == [0, "What", 1, " ?"]
    assert shown.marked("no image", "<i>") == ["no image"]
    assert shown.marked("<i>", "<i>") == [2] and shown.count == 3


def read(folder, unusable, *rows, **part):
    file = file_of(folder, *rows)

    def conversation(number, row):
        text = row.text("text")
        return Conversation(str(number), (), [[text]], (text,)) if row.ok else None

    return file, [made.id for made in usable(file, unusable, conversation, **part)]


def test_records_that_cannot_be_used_refuse_a_file_or_are_counted(tmp_path):
    rows = [{"text": "a"}, {"text": 3}, {"text": "c"}, {"text": None}]
    file, made = read(tmp_path, "refuse", *rows)
    assert made == ["0", "2"] and file.count == 2
    with pytest.raises(UserError, match=r"2 problems; correct or remove these records \(or leave out such"):
        file.check()
    file, made = read(tmp_path, "leave out", *rows)
    file.check()
    ((note, count),) = file.notes.items()
    assert made == ["0", "2"] and count == 2
    assert note.startswith(
        "records left out because they cannot be used (the first: record [1]: 'text' is a number (3)"
    )


def test_an_entry_that_is_no_record_is_a_problem_in_any_case(tmp_path):
    file, made = read(tmp_path, "leave out", {"text": "a"}, "b", {"text": 3})
    assert made == ["0"] and file.notes.total() == 1
    with pytest.raises(UserError, match=r"record \[1\] is a text"):
        file.check()


def test_parts(tmp_path):
    rows = [{"text": "a"}] * 50
    train, ask = (read(tmp_path, "refuse", *rows, part=part, ask_share=0.4)[1] for part in ("train", "ask"))
    assert sorted(train + ask, key=int) == [str(number) for number in range(50)] and 10 < len(ask) < 30


def test_other_choices_are_refused():
    check_choices("refuse", "all", 0.5)
    with pytest.raises(UserError, match="unknown unusable 'drop'; choose one of refuse, leave out"):
        check_choices("drop", "all", 0.5)
    with pytest.raises(UserError, match="unknown part 'val'; choose one of all, train, ask"):
        check_choices("refuse", "val", 0.5)
    with pytest.raises(UserError, match="ask_share must lie between 0 and 1, not 1"):
        check_choices("refuse", "all", 1)
