"""Order of the parts of a line."""

from __future__ import annotations

import pytest

from frozenvl.util.bidi import in_visual_order, levels, reads_right_to_left


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a dog", False),
        ("כלב", True),
        ("كلب", True),
        ("✓ → 12 كلب a dog", True),
        ("12 a כלב", False),
        ("12 ✓", False),
        ("", False),
    ],
    ids=["Latin", "Hebrew", "Arabic", "symbols first", "Latin first", "no letter", "empty"],
)
def test_the_first_letter_decides_the_direction_of_a_paragraph(text, expected):
    assert reads_right_to_left(text) is expected


def drawn(text: str, right_to_left: bool) -> str:
    """Returns the characters of a line from left to right."""
    ordered = in_visual_order(list(zip(levels(text, right_to_left), text, strict=True)))
    return "".join(char for _, char in ordered)


@pytest.mark.parametrize(
    ("text", "right_to_left", "expected"),
    [
        ("a dog 12.5%", False, "a dog 12.5%"),
        ("אבג", True, "גבא"),
        ("אב גד.", True, ".דג בא"),
        ("אב 12 גד", True, "דג 12 בא"),
        ("كلب 2024 في", True, "يف 2024 بلك"),
        ("كلب ٢٠٢٤ في", True, "يف ٢٠٢٤ بلك"),
        ("אב a dog גד", True, "דג a dog בא"),
        ("a אב גד dog", False, "a דג בא dog"),
        ("a אב 12 dog", False, "a 12 בא dog"),
        ("a אב, dog", False, "a בא, dog"),
        ("אב -5% גד", True, "דג 5%- בא"),
        ("אב 1,000.5 גד", True, "דג 1,000.5 בא"),
        ("אב犬猫", True, "犬猫בא"),
        ("", True, ""),
    ],
    ids=range(14),
)
def test_lines_are_drawn_in_visual_order(text, right_to_left, expected):
    """Values of FriBiDi 1.0.8."""
    assert drawn(text, right_to_left) == expected


def test_marks_have_the_level_of_their_letter():
    assert levels("כֶּלֶב a\u0301", False) == [1] * 6 + [0] * 3
    assert levels("\u0301a", True) == [1, 2]
