"""Bad and odd examples that a check of a source finds."""

from __future__ import annotations

import PIL.Image
import pytest
from pictures import two_halves
from tars import picture, sample, write_tar
from toy import Broken, Rows, Square, question

from frozenvl.data.check import LONG_TEXT, check
from frozenvl.data.sources.conceptual import ConceptualCaptions
from frozenvl.data.sources.folder import ImageFolder
from frozenvl.data.sources.shards import Shards
from frozenvl.prompt import NO_IMAGE, Example, Image, ImageFile, Turn


def test_each_image_is_read_once_and_progress_is_reported(monkeypatch):
    shared, reads, read = Square("shared.png"), [], Square.read
    monkeypatch.setattr(Square, "read", lambda image, side=None: reads.append(image.name) or read(image))
    done: list[tuple[int, int]] = []
    report = check(Rows(question(0, shared), question(1, shared), question(2)), lambda *now: done.append(now))
    assert (report.examples, report.images, report.texts, report.bad) == (3, 2, 3, 0)
    assert sorted(reads) == ["2.png", "shared.png"]
    assert report.found.keys() == {"single colour"} and done == [(1, 3), (2, 3), (3, 3)]


def test_unusable_examples_are_bad_and_strange_ones_are_not():
    rows = Rows(
        question(0, Broken()),
        question(1, answer=" ", references=(" ",)),
        question(2, text="Is it\0so?"),
        question(3, answer="word " * LONG_TEXT),
        question(3, answer="caf\ufffd"),
    )
    report = check(rows)
    assert {kind: [line.split(":")[0] for line in lines] for kind, lines in report.found.items()} == {
        "unreadable": ["broken"],
        "empty text": ["q1"],
        "NUL in text": ["q2"],
        "long text": ["q3"],
        "text not UTF-8": ["q3"],
        "repeated id": ["q3"],
        "single colour": ["1.png", "2.png", "3.png"],
    }
    assert report.bad == 2
    assert report.as_json()["counts"]["unreadable"] == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<s>old price</s>", "<s>"),
        ("says <|im_end|> in the middle", "<|im_end|>"),
        ("what does <|eot_id|> mean?", "<|eot_id|>"),
        ("[INST] a red circle", "[INST]"),
        ("a < b > c, <b>bold</b>, [a] (s)", None),
    ],
)
def test_texts_that_spell_a_special_token_are_counted(text, found):
    report = check(Rows(question(0), question(1, answer=text)))
    assert report.bad == 0
    lines = report.found.get("special token in text", [])
    assert lines == ([f"q1: a text spells {found!r}, which is read as letters"] if found else [])
    other = check(Rows(question(0, answer=text)), special_token="<other>")
    assert "special token in text" not in other.found


def test_equal_files_under_different_names_are_reported(tmp_path):
    for name in ("a.jpg", "b.jpg", "c.png"):
        PIL.Image.new("RGB", (8, 8), "red" if name != "c.png" else "blue").save(tmp_path / name, "JPEG")
    rows = [Example(n, ImageFile(tmp_path / n), n, ("text",)) for n in ("a.jpg", "b.jpg", "c.png")]
    assert check(Rows(*rows)).found == {
        "single colour": [
            "a.jpg: #fe0000 everywhere",
            "b.jpg: #fe0000 everywhere",
            "c.png: #0000fe everywhere",
        ],
        "same image": ["b.jpg: as a.jpg"],
        "wrong suffix": ["c.png: is JPEG"],
    }


def test_files_of_one_name_in_two_folders_are_two_images(tmp_path):
    for folder in ("cat", "dog"):
        (tmp_path / folder).mkdir()
        PIL.Image.new("RGB", (8, 8), "red").save(tmp_path / folder / "0.jpg")
    (tmp_path / "dog" / "1.jpg").write_text("not an image")
    (tmp_path / "cat" / "1.jpg").write_text("not an image either")
    report = check(ImageFolder(str(tmp_path)), lambda done, total: None)
    assert report.images == 4 and report.bad == 2
    assert len(report.found["same image"]) == 1


@pytest.mark.parametrize(
    ("colour", "mode", "shown"),
    [
        ("black", "RGB", "#000000"),
        ((10, 200, 3), "RGB", "#0ac803"),
        (77, "L", "#4d4d4d"),
        ((255, 255, 255, 0), "RGBA", "#ffffff"),
        ((0, 0, 0, 0), "RGBA", "#ffffff"),
    ],
)
def test_images_of_one_colour_are_reported(tmp_path, colour, mode, shown):
    """A white drawing on transparent ground is such a one, too."""
    PIL.Image.new(mode, (8, 8), colour).save(tmp_path / "plain.png")
    two_halves().save(tmp_path / "picture.png")
    report = check(ImageFolder(str(tmp_path)))
    assert report.found == {"single colour": [f"plain.png: {shown} everywhere"]} and report.bad == 0


def test_the_notes_of_an_index_are_added_up(tmp_path, cache):
    for name in ("a", "b"):
        write_tar(tmp_path / f"{name}.tar", [*sample(0), *sample(0), ("alone.txt", "no image")])
    report = check(Shards(str(tmp_path)))
    assert report.as_json()["index"] == {"repeated keys": 2, "samples without an image": 2}


def test_ignored_members_are_named(tmp_path, cache):
    for name in ("a", "b"):
        write_tar(tmp_path / f"{name}.tar", [*sample(0), ("000000000.seg.png", ""), ("000000000.cls", "7")])
    report = check(Shards(str(tmp_path)))
    assert report.index.lines() == ["4 members ignored (seg.png: 2, cls: 2)"]
    assert report.as_json()["index_names"] == {"members ignored": {"seg.png": 2, "cls": 2}}


def test_texts_of_several_lines_are_odd_unless_each_is_a_caption(tmp_path, cache):
    members = [*sample(0), *sample(1, "a dog\r\n\r\nthe dog\n"), ("2.txt", "a\nb\nc")]
    write_tar(tmp_path / "a.tar", members)
    report = check(Shards(str(tmp_path)))
    assert report.found["several lines in a text"] == [
        f"a/{key}: {lines} lines, read as one caption (lines: captions makes each a caption)"
        for key, lines in (("000000001", 2), ("2", 3))
    ]
    assert report.found["unreadable"] == ["a/2: has no image member"] and report.texts == 3
    report = check(Shards(str(tmp_path), lines="captions"))
    assert "several lines in a text" not in report.found and report.texts == 6


def test_a_sample_without_a_text_is_listed_once_with_the_reason(tmp_path, cache):
    members = [("0.jpg", picture()), ("0.json", {"caption": None}), ("1.jpg", picture(1)), *sample(2)]
    report = check(Shards(str(write_tar(tmp_path / "a.tar", members))))
    assert report.found["empty text"] == [
        "a/0: has no text ('caption' in its .json is null)",
        "a/1: has no text",
    ]
    assert "unreadable" not in report.found and (report.bad, report.usable) == (2, 1)


@pytest.mark.parametrize(
    ("rows", "usable"),
    [
        ([question(0), question(1)], 2),
        ([question(0, Broken()), question(1, Broken()), question(2)], 1),
        ([question(0, answer=" ", references=(" ",)), question(1, Broken())], 0),
        ([], 0),
    ],
    ids=["all", "one", "none", "empty"],
)
def test_usable_examples_are_counted(rows, usable):
    """An image that is unreadable is reported once, but none of its examples is usable."""
    report = check(Rows(*rows))
    assert report.usable == report.as_json()["usable"] == usable


@pytest.mark.parametrize(
    ("name", "odd"), [("a.jfif", False), ("a.img", False), ("a.png", True), ("a.tiff", True)]
)
def test_only_a_suffix_of_another_format_is_wrong(tmp_path, name, odd):
    two_halves().save(tmp_path / name, "JPEG")
    report = check(Rows(Example("a", ImageFile(tmp_path / name), "a", ("text",))))
    assert report.found == ({"wrong suffix": [f"{name}: is JPEG"]} if odd else {})


def test_a_caption_that_an_image_has_twice_is_reported(tmp_path):
    (tmp_path / "t.tsv").write_text("a dog\ta.jpg\na cat\ta.jpg\na dog\tb.jpg\na dog\ta.jpg\n")
    for number, name in enumerate("ab"):
        (tmp_path / f"{name}.jpg").write_bytes(picture(number))
    found = check(ConceptualCaptions(str(tmp_path / "t.tsv"), str(tmp_path))).found
    assert found["repeated caption"] == ["4: its image has the same caption twice"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("None", "placeholder as text"),
        (" n/a", "placeholder as text"),
        ("nan", "placeholder as text"),
        ("\u200b", "text without letters"),
        ("-", "text without letters"),
        ("Tom &amp; Jerry", "HTML in text"),
        ("<p>a dog</p>", "HTML in text"),
        ("caf\u00c3\u00a9", "text decoded twice"),
        ("it\u00e2\u20ac\u2122s", "text decoded twice"),
        ("\U0001f600", ""),
        ("Nantes & co < 3, caf\u00e9 \u00c2ge", ""),
        ("\u72ac", ""),
    ],
)
def test_texts_that_something_went_wrong_with_are_odd(text, kind):
    found = check(Rows(Example("1", Square("1.png"), "1", (text,)))).found
    assert found.keys() - {"single colour"} == ({kind} if kind else set())


def test_a_wrong_number_of_texts_is_bad():
    source = Rows(Example("1", Square("1.png"), "1", ("a dog",)))
    source.targets_per_example = 2
    report = check(source)
    assert (
        report.found["wrong number of texts"] == ["1: 1 texts, but targets_per_example says 2"] and report.bad
    )


def talk(key: str, *images: Image, reply: str = "yes", **more) -> Example:
    turns = (Turn((*images, "Is it?"), "no"), Turn(("And now?",), reply))
    return Example(key, images[0] if images else NO_IMAGE, key, turns=turns, **more)


def test_all_images_and_replies_of_conversations_are_checked():
    shared, torn = Square("shared.png", noise=9), Broken()
    rows = Rows(
        talk("text"),
        talk("two", shared, Square("other.png", noise=9)),
        talk("bad", shared, torn),
        talk("empty", shared, reply=" "),
        talk("odd", shared, system="says <|im_end|>"),
    )
    report = check(rows)
    assert (report.examples, report.images, report.texts, report.usable) == (5, 3, 10, 3)
    assert {kind: [line.split(":")[0] for line in lines] for kind, lines in report.found.items()} == {
        "unreadable": ["broken"],
        "empty text": ["empty"],
        "special token in text": ["odd"],
    }


def test_the_last_reply_of_a_test_set_may_be_missing():
    rows = Rows(talk("1", Square("a.png", noise=9), reply=""))
    rows.targets_per_example = 0
    assert not check(rows).bad
