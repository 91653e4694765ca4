"""Few-shot examples in YAML files."""

from __future__ import annotations

import io

import PIL.Image
import pytest

from frozenvl.data.shots_file import parse_shots, read_shots, shots_text, stored
from frozenvl.prompt import Example
from frozenvl.util.errors import UserError


def png(colour: str) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (3, 2), colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_file_with_its_images_is_read_as_it_was_written(tmp_path):
    contents = [png("red"), png("blue")]
    images = [stored("a b.png", contents[0]), stored("ü.png", contents[1])]
    examples = [
        Example("a b.png", images[0], "a", question="What: 'this'?", answer="yes"),
        Example("ü.png", images[1], "b", answer="- a caption #1"),
    ]
    file = tmp_path / "shots.yaml"
    file.write_text(shots_text(examples, contents, "Answer: no\nmore."), encoding="utf-8")
    shots = read_shots(file)
    assert shots.induction == "Answer: no\nmore."
    assert [(s.image.name, s.question, s.answer) for s in shots.examples] == [
        ("a b.png", "What: 'this'?", "yes"),
        ("ü.png", "", "- a caption #1"),
    ]
    assert [s.image.digest for s in shots.examples] == [image.digest for image in images]
    assert shots.examples[0].image.read().getpixel((0, 0)) == (255, 0, 0)


def test_images_are_named_from_the_folder_of_the_file(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "dog.png").write_bytes(png("red"))
    file = tmp_path / "shots.yaml"
    file.write_text("shots:\n- image: photos/dog.png\n  question: What?\n  answer: a dog\n")
    (example,) = read_shots(file).examples
    assert example.image.path == tmp_path / "photos" / "dog.png" and example.targets == ("a dog",)
    file.write_text("shots:\n- {image: none.png, answer: a dog}\n")
    with pytest.raises(UserError, match=r"none\.png: no such image"):
        read_shots(file)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("shots: [", "x.yaml: not YAML"),
        ("- a", "no file of few-shot examples"),
        ("shots: {}", "no file of few-shot examples"),
        ("shots: []\nmore: 1", "no file of few-shot examples"),
        ("shots: [{image: a.png}]", "shot 1 is not one"),
        ("shots: [{image: a.png, answer: a, extra: b}]", "shot 1 is not one"),
        ("shots: [{image: a.png, answer: 3}]", "`answer` of shot 1 is no text"),
        ("shots: [{image: a.png, answer: a, content: b}]", "`content` of shot 1 is not the bytes"),
        ("shots: []\ninduction: [a]", "`induction` is no text"),
        ("!!python/object/apply:os.getcwd []", "x.yaml: not YAML"),
    ],
)
def test_another_layout_is_one_line(text, line):
    with pytest.raises(UserError, match=line) as error:
        parse_shots(text, "x.yaml", lambda name: stored(name, b""))
    assert "\n" not in str(error.value)
