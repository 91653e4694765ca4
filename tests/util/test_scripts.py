"""Characters of a text, their scripts and fonts, and warnings about scripts without a font."""

from __future__ import annotations

import pytest
from tiny_fonts import make_font

from frozenvl.util.scripts import EMOJI, pieces, warn_of_gaps


@pytest.mark.parametrize(
    "parts",
    [
        ["e\u0301", "a"],
        ["नि", "क्षि"],
        ["กำ", "ที่"],
        ["👨\u200d👩\u200d👧", "👍🏽", "🇩🇪", "🇯🇵", "1\ufe0f\u20e3", "❤\ufe0f"],
        ["כֶּ", "ל"],
        ["\u1100\u1161\u11a8"],
    ],
    ids=["Latin", "Devanagari", "Thai", "emoji", "Hebrew", "Korean in parts"],
)
def test_marks_stay_with_their_letter(font_folder, parts):
    assert [piece.text for piece in pieces("".join(parts))] == parts


def fonts_of(text: str) -> list[str | None]:
    return [piece.font.path.stem if piece.font else None for piece in pieces(text)]


def test_a_word_has_one_font(font_folder):
    """Letters of two fonts are not joined."""
    make_font(font_folder / "a.ttf", "बस")
    make_font(font_folder / "bb.ttf", "बसए")
    make_font(font_folder / "ccc.ttf", "كلب\u08c8")
    assert fonts_of("बस एस") == ["a", "a", "DejaVuSans", "bb", "bb"]
    assert fonts_of("كلب") == ["DejaVuSans"] * 3 and fonts_of("كلب\u08c8") == ["ccc"] * 4


def test_a_word_that_no_font_has_whole_is_drawn_in_several(font_folder):
    make_font(font_folder / "a.ttf", "犬")
    make_font(font_folder / "bb.ttf", "の")
    assert fonts_of("犬の魚 dog") == ["a", "bb", None, *["DejaVuSans"] * 4]


def test_punctuation_that_dejavu_lacks_is_of_the_script_beside_it(font_folder):
    make_font(font_folder / "a.ttf", "「」。")
    make_font(font_folder / "bb.ttf", "犬「」。")
    assert fonts_of("「犬」。, (1)") == ["bb"] * 4 + ["DejaVuSans"] * 5
    assert fonts_of("「") == ["a"]


@pytest.mark.parametrize(
    "text", ["🐕", "😀", "👍🏽", "🇩🇪", "1\ufe0f\u20e3", "❤\ufe0f", "👨\u200d👩\u200d👧", "❤\u200d🔥"]
)
def test_emoji(font_folder, text):
    make_font(font_folder / "Emoji.ttf", "🐕😀👍🏽🇩🇪1\u20e3❤👨👩👧🔥")
    (piece,) = pieces(text)
    assert piece.script == EMOJI and piece.font is not None and piece.font.path.stem == "Emoji"


@pytest.mark.parametrize("text", ["✓", "→", "1", "#", "❤", "☀\ufe0e", "😀\ufe0e", "©"])
def test_symbols_that_are_no_emoji(font_folder, text):
    make_font(font_folder / "Emoji.ttf", "✓→1#❤☀😀©")
    assert fonts_of(text) == ["DejaVuSans"]


def test_each_script_that_no_font_has_is_named_once(font_folder, capsys):
    install = "boxes are drawn instead. Install a font (Debian: apt install %s), or name a folder of .ttf or .otf files"
    line = f"frozenvl: warning: no font has %s: {install} in FROZENVL_FONTS\n"
    warn_of_gaps(["a dog", "ein Hund", "😀 ✓ →", "犬の魚。", "鳥 한 สุนัข"])
    assert capsys.readouterr().err == line % (
        "犬 (Chinese and Japanese), 한 (Korean)", "fonts-noto-cjk"
    ) + line % ("สุ (Thai)", "fonts-noto-core")  # fmt: skip
    warn_of_gaps(["猫 ไทย 한"])
    assert not capsys.readouterr().err
    warn_of_gaps(["कुत्ता 猫 🐕", "。", "\U0001f800"])
    assert [named.split(": boxes")[0] for named in capsys.readouterr().err.split("no font has ")[1:]] == [
        "कु (Devanagari), \U0001f800 (Supplemental Arrows-C)",
        "。 (CJK Symbols and Punctuation)",
        "🐕 (emoji)",
    ]


def test_characters_that_no_font_draws_are_not_missed(font_folder, capsys):
    warn_of_gaps(["a\x07\x00\ue000\ud800\U000e0100 \u3000\u200b\ufeff\u2028\U0010ffff", ""])
    assert not capsys.readouterr().err


def test_scripts_that_need_raqm_are_named_once(no_raqm, capsys):
    make_font(no_raqm / "a.ttf", "犬บส")
    make_font(no_raqm / "bb.ttf", "कुत्ता")
    for _ in range(2):
        warn_of_gaps(["a dog", "犬", "כלב", "كلب", "कुत्ता", "ب"])
    assert capsys.readouterr().err == (
        "frozenvl: warning: ك (Arabic), कु (Devanagari): letters are not joined or reordered, "
        "because Pillow cannot use Raqm (Debian: apt install libfribidi0)\n"
    )


def test_with_raqm_letters_are_joined(font_folder, capsys):
    warn_of_gaps(["كلب"])
    assert not capsys.readouterr().err
