"""Lines of text in any script."""

from __future__ import annotations

import textwrap
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from PIL import Image, ImageDraw, ImageFont
from tiny_fonts import EM, box, builder, make_bitmap_font, make_font

from frozenvl.util.fonts import OTHER_SIZE, SIZE, dejavu
from frozenvl.util.text_layout import draw_line, wrap

LATIN = some.text(some.sampled_from("aé-ж .,!?()—\t\n'\"/ W1"), max_size=90)


@given(LATIN, some.integers(2, 34), some.integers(1, 4))
@settings(max_examples=400, deadline=None)
def test_texts_of_dejavu_are_wrapped_as_textwrap_does(text, width, most):
    assert wrap(text, width, 6.6, most) == textwrap.wrap(text, width, max_lines=most, placeholder=" …")


@pytest.fixture
def squares(font_folder):
    """Fonts whose characters are squares."""
    make_font(font_folder / "a.ttf", "犬猫鳥魚の。「」ーกขาเ\u0e31ไบ한글кс한국")
    return font_folder


COLUMN = OTHER_SIZE / 2
"""Column of half a square."""


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("犬猫鳥魚犬猫鳥魚犬", ["犬猫鳥魚", "犬猫鳥魚", "犬"]),
        ("a 犬猫 dog 魚魚魚", ["a 犬猫", "dog 魚魚", "魚"]),
        ("犬猫鳥魚。猫", ["犬猫鳥", "魚。猫"]),
        ("犬猫鳥「魚」犬", ["犬猫鳥", "「魚」犬"]),
        ("犬犬猫鳥魚 (犬) 犬", ["犬犬猫鳥", "魚 (犬)", "犬"]),
        ("กขกขก\u0e31ข", ["กขกข", "ก\u0e31ข"]),
        ("กขกเขกขา", ["กขก", "เขก", "ขา"]),
        ("한글 한국한글 한국", ["한글", "한국한글", "한국"]),
    ],
    ids=["Chinese", "mixed", "full stop", "brackets", "brackets and spaces", "Thai", "Thai vowels", "Korean"],
)
def test_scripts_without_spaces_are_wrapped_by_width(squares, text, lines):
    assert wrap(text, 8, COLUMN, 9) == lines


def test_marks_are_not_parted_from_their_letter(font_folder):
    assert wrap("e\u0301" * 9, 4, 6.6, 9) == ["e\u0301" * 4, "e\u0301" * 4, "e\u0301"]
    assert wrap("כֶּ" * 5, 4, 6.6, 9) == ["כֶּ" * 4, "כֶּ"]
    joined = "👨" + "\u200d👨" * 9
    assert wrap(joined + "a", 4, 6.6, 9) == [joined, "a"]
    make_font(font_folder / "emoji.ttf", "👨")
    assert wrap(joined + "a", 4, 6.6, 9) == [joined, "a"]


def test_boxes_take_a_column_each(font_folder):
    assert wrap("क्षिक्षि", 4, 6.6, 9) == ["क्षि", "क्षि"]


def test_long_texts_end_in_an_ellipsis(squares):
    assert wrap("犬" * 99, 8, COLUMN, 2) == ["犬犬犬犬", "犬犬犬 …"]
    assert wrap("犬" * 8, 8, COLUMN, 2) == ["犬犬犬犬", "犬犬犬犬"]


@pytest.mark.parametrize("machine", ["font_folder", "no_raqm"])
def test_every_character_can_be_drawn(machine, request):
    request.getfixturevalue(machine)
    special = (char for char in map(chr, range(0x110000)) if unicodedata.category(char)[0] in "CZ")
    few = [
        char for char in special if ord(char) < 0x3000 or 0xD7F0 < ord(char) < 0xE010 or ord(char) > 0xFEF0
    ][:600]
    for char in [*few, "\ufdd0", "\uffff", "\U0010ffff"]:
        for line in wrap(f"a{char}b כ{char}ל", 34, 6.6, 2):
            drawn(line)
    assert wrap("a\x85b\u2029c", 34, 6.6, 2) == ["a b c"]


@pytest.mark.parametrize("part", ["犬", "x", "e\u0301", "\u0301", "👨\u200d", "word ", "ب"])
def test_endless_texts_are_cut(font_folder, part):
    make_bitmap_font(font_folder / "emoji.ttf", "👨", "red")
    lines = wrap(part * 200_000, 34, 6.6, 3)
    assert len(lines) == 3 and lines[-1].endswith("…")
    assert sum(map(len, lines)) < 10_000
    for line in lines:
        drawn(line)


def drawn(text: str, right_to_left: bool = False) -> np.ndarray:
    sheet = Image.new("RGB", (200, 40), "white")
    draw_line(sheet, (10, 10), text, "blue", right_to_left)
    return np.asarray(sheet)


@pytest.mark.parametrize(
    "text", ["A brown fox AV fi", "Ελληνικά, русский", "✓ → naïve — 12.5 % ☀ “x”", "e\u0301 \x07 \ue000", ""]
)
def test_texts_of_dejavu_are_drawn_as_one(font_folder, text):
    sheet = Image.new("RGB", (200, 40), "white")
    font = ImageFont.truetype(dejavu().path, SIZE)
    ImageDraw.Draw(sheet).text((10, 10), text, fill="blue", font=font)
    assert np.array_equal(drawn(text), np.asarray(sheet))


def test_characters_that_no_font_has_are_boxes(font_folder):
    assert np.array_equal(drawn("犬"), drawn("\ue000")) and (drawn("犬") != 255).any()


def heights(text: str, right_to_left: bool = False) -> list[int]:
    """Returns the height in pixels of each stretch of columns of one height, from left to right, without gaps."""
    columns = (drawn(text, right_to_left) != 255).any(2).sum(0).tolist()
    return [height for place, height in enumerate(columns) if height and height != columns[place - 1]]


@pytest.mark.parametrize("machine", ["font_folder", "no_raqm"])
@pytest.mark.parametrize(
    ("text", "right_to_left", "expected"),
    [
        ("犬猫鳥", False, [13, 10, 7]),
        ("\u0710\u0712", True, [3, 5]),
        ("\u0710犬", True, [13, 5]),
        ("\u0710犬猫\u0712", True, [3, 13, 10, 5]),
        ("犬\u0710\u0712猫", False, [13, 3, 5, 10]),
        ("\u0710犬", False, [5, 13]),
    ],
    ids=[
        "left to right",
        "right to left",
        "paragraph",
        "left to right inside",
        "right to left inside",
        "quoted",
    ],
)
def test_parts_of_a_line_are_in_visual_order(machine, request, text, right_to_left, expected):
    """Two Syriac letters (which DejaVu Sans lacks) and three others, each as a box of another height."""
    folder = request.getfixturevalue(machine)
    units = {"犬": 1000, "猫": 768, "鳥": 538, "\u0710": 384, "\u0712": 230}
    for number, letters in enumerate(("犬鳥", "猫", "\u0710\u0712")):
        made = builder(letters)
        for letter in letters:
            made.font["glyf"][f"u{ord(letter):x}"] = box(0, 0, EM, units[letter])
        made.save(folder / f"{number}.ttf")
    assert heights(text, right_to_left) == expected


def test_emoji_stand_between_letters(font_folder):
    make_bitmap_font(font_folder / "emoji.ttf", "🐕", "red")
    make_font(font_folder / "犬.ttf", "犬")
    pixels = drawn("犬🐕犬")[15]
    red = np.flatnonzero((pixels == [255, 0, 0]).all(1))
    blue = np.flatnonzero((pixels == [0, 0, 255]).all(1))
    assert (
        abs(len(red) - OTHER_SIZE) <= 1 and (blue < red.min()).sum() == (blue > red.max()).sum() == OTHER_SIZE
    )
