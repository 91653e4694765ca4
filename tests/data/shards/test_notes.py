"""Oddities of tars and the names that belong to them."""

from __future__ import annotations

from frozenvl.data.shards.notes import MAX_NAMES, Notes, printable


def test_kinds_and_names_are_counted_and_added_up():
    one, other = Notes(), Notes()
    one.add("members ignored", 3, ["b0.jpg", "b0.jpg", "cls"])
    one.add("repeated keys", 0)
    other.add("members ignored", 1, ["cls"])
    other.add("samples without a text", names=["title"])
    assert one.lines() == ["3 members ignored (b0.jpg: 2, cls: 1)"]
    one.merge(other.counts, other.most_frequent())
    assert one.lines() == [
        "4 members ignored (b0.jpg: 2, cls: 2)",
        "1 samples without a text (texts in their .json: title: 1)",
    ]


def test_only_the_most_frequent_names_are_shown_and_kept():
    notes = Notes()
    for number in range(1000):
        notes.add("members ignored", 1, [f"{number:04}.jpg"])
    notes.add("members ignored", 2, ["cls"] * 2)
    notes.add("members ignored", 3, ["new\nline" + "x" * 99] * 3)
    shown = "new\\nline" + "x" * 31
    expected = f"1,005 members ignored ({shown}: 3, cls: 2, 0000.jpg: 1, 0001.jpg: 1, 0002.jpg: 1, …)"
    assert notes.lines() == [expected]
    kept = notes.most_frequent()["members ignored"]
    assert len(kept) == MAX_NAMES and kept["cls"] == 2


def test_unprintable_names_are_escaped():
    assert printable("größe 犬") == "größe 犬"
    assert printable("a\n\udcff") == "a\\n\\udcff"
