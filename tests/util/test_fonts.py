"""Fonts of this machine."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from fontTools.ttLib.tables.TupleVariation import TupleVariation
from matplotlib import font_manager
from PIL import Image
from tiny_fonts import EM, box, builder, make_bitmap_font, make_font, make_layered_font

from frozenvl.util.fonts import OTHER_SIZE, Font, dejavu, font_with


def path_of(text: str, emoji: bool = False) -> str | None:
    font = font_with(text, emoji)
    return font.path.name if font else None


def drawn(font: Font, text: str, right_to_left: bool = False) -> np.ndarray:
    sheet = Image.new("RGB", (80, 40), "white")
    font.draw(sheet, (10, 30), list(text), "blue", right_to_left)
    return np.asarray(sheet)


def ink(pixels: np.ndarray) -> tuple[int, int, int, int]:
    """Returns left, top, right and bottom of what is not white."""
    rows, columns = np.nonzero((pixels != 255).any(2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_other_fonts_are_looked_for_only_if_dejavu_lacks_a_character(font_folder, monkeypatch):
    def fail(paths=None):
        raise AssertionError

    monkeypatch.setattr(font_manager, "findSystemFonts", fail)
    assert font_with("Ελληνικά русский كلب כלב ✓→ é") is dejavu()
    with pytest.raises(AssertionError):
        font_with("犬")


def test_importing_galleries_imports_no_font_library():
    done = "assert not {'fontTools', 'regex', 'matplotlib'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", f"import sys, frozenvl.util.gallery; {done}"], check=True)


def test_a_font_has_all_characters_of_a_text(font_folder):
    make_font(font_folder / "a.ttf", "犬")
    make_font(font_folder / "deep" / "bb.otf", "犬猫")
    make_font(font_folder / "ccc.ttc", "犬猫鳥")
    assert [path_of(text) for text in ("犬", "犬猫", "鳥", "魚", "")] == [
        "a.ttf", "bb.otf", "ccc.ttc", None, "DejaVuSans.ttf",
    ]  # fmt: skip


def test_upright_regular_fonts_come_first_and_placeholders_never(font_folder):
    for name in ("Ab-Bold", "Ab-Italic", "AbSerif", "AbMono", "Ab Emoji", "LastResort", "AdobeBlank"):
        make_font(font_folder / f"{name}.ttf", "犬" if name[:2] == "Ab" else "犬猫")
    make_font(font_folder / "AbSansWithALongName.ttf", "犬")
    assert path_of("犬") == "AbSansWithALongName.ttf" and path_of("猫") is None


def test_the_named_folder_comes_before_the_system(font_folder, tmp_path, monkeypatch):
    system = make_font(tmp_path / "system" / "a.ttf", "犬猫")
    make_font(font_folder / "own-bold.ttf", "犬")
    find = font_manager.findSystemFonts
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda paths=None: find(paths) or [str(system)])
    assert path_of("犬") == "own-bold.ttf" and path_of("猫") == "a.ttf"


def test_a_folder_that_is_missing_is_one_line(font_folder, monkeypatch, capsys):
    monkeypatch.setenv("FROZENVL_FONTS", str(font_folder / "none"))
    assert font_with("犬") is font_with("猫") is None
    assert (
        capsys.readouterr().err
        == f"frozenvl: warning: FROZENVL_FONTS: no such folder: {font_folder / 'none'}\n"
    )


@pytest.mark.parametrize("ending", ["ttf", "otf", "ttc"])
def test_broken_fonts_are_passed_over(font_folder, ending):
    content = make_font(font_folder / "zzzzzzzz.ttc", "犬").read_bytes()
    for cut in range(0, len(content), 37):
        (font_folder / f"{cut}.{ending}").write_bytes(content[:cut])
    (font_folder / f"text.{ending}").write_text("a text")
    font = font_with("犬")
    assert font is not None and ink(drawn(font, "犬")) == (10, 30 - OTHER_SIZE, 10 + OTHER_SIZE, 30)


def test_a_font_that_pillow_cannot_read_is_passed_over(font_folder):
    font = make_font(font_folder / "a.ttf", "犬")
    font.write_bytes(font.read_bytes().replace(b"head", b"none", 1))
    make_font(font_folder / "bb.ttf", "犬")
    assert path_of("犬") == "bb.ttf"


def test_emoji_fonts_come_first_for_emoji_alone(font_folder):
    make_font(font_folder / "a.ttf", "🐕")
    make_font(font_folder / "Coloured Emoji.ttf", "🐕😀1")
    assert path_of("🐕", emoji=True) == path_of("😀", emoji=True) == "Coloured Emoji.ttf"
    assert path_of("🐕") == "a.ttf" and path_of("😀") == path_of("1") == "DejaVuSans.ttf"


@pytest.mark.parametrize("size", [109, 160])
def test_fonts_of_pixels_are_scaled(font_folder, size):
    make_bitmap_font(font_folder / "emoji.ttf", "🐕", "red", size)
    font = font_with("🐕", emoji=True)
    assert font is not None
    pixels = drawn(font, "🐕🐕")
    left, top, right, bottom = ink(pixels)
    assert abs(left - 10) <= 1 and abs(right - 10 - 2 * OTHER_SIZE) <= 1
    assert abs(bottom - 30) <= 1 and abs(top - 30 + OTHER_SIZE) <= 1
    assert pixels[24, 16].tolist() == pixels[24, 29].tolist() == [255, 0, 0]
    assert font.width(["🐕", "🐕"]) == pytest.approx(2 * OTHER_SIZE, abs=0.5)


def test_fonts_of_coloured_layers(font_folder):
    make_layered_font(font_folder / "emoji.ttf", "🐕", (1, 0, 0), version=0)
    font = font_with("🐕", emoji=True)
    assert font is not None and drawn(font, "🐕")[24, 16].tolist() == [255, 0, 0]


def test_fonts_that_pillow_draws_blank_are_passed_over(font_folder):
    make_layered_font(font_folder / "emoji.ttf", "🐕", (1, 0, 0), version=1)
    make_font(font_folder / "a.ttf", "犬", top=0)
    assert path_of("🐕", emoji=True) is None and path_of("犬") is None
    assert path_of("\u2800") == "DejaVuSans.ttf"  # a Braille pattern without dots


def test_a_variable_font_is_regular(font_folder):
    """Its default is Thin: an empty glyph, which grows to a box with the weight."""
    made = builder("犬", top=0)
    made.setupFvar(
        [("wght", 100, 100, 900, "Weight")],
        [
            {"stylename": "Thin", "location": {"wght": 100}},
            {"stylename": "Regular", "location": {"wght": 900}},
        ],
    )
    grow = [(0, 0), (0, EM), (0, EM), (0, 0), *[(0, 0)] * 4]
    made.setupGvar({".notdef": [], "u72ac": [TupleVariation({"wght": (0.0, 1.0, 1.0)}, grow)]})
    made.save(font_folder / "a.ttf")
    font = font_with("犬")
    assert font is not None and ink(drawn(font, "犬"))[1] == 30 - OTHER_SIZE


@pytest.mark.parametrize("machine", ["font_folder", "no_raqm"])
def test_right_to_left(machine, request, tmp_path):
    made = builder("אב")
    made.font["glyf"]["u5d1"] = box(0, 0, EM, EM // 2)
    made.save(request.getfixturevalue(machine) / "a.ttf")
    pixels = drawn(Font(tmp_path / "fonts/a.ttf", 10, frozenset()), "אב", right_to_left=True)
    white, blue = [255, 255, 255], [0, 0, 255]
    assert [pixels[22, x].tolist() for x in (15, 25)] == [
        white,
        blue,
    ]  # the second letter, half as high, is left
    assert [pixels[28, x].tolist() for x in (15, 25)] == [blue, blue]


def test_without_raqm_invisible_characters_are_left_out(no_raqm):
    make_font(no_raqm / "a.ttf", "犬")
    font = font_with("犬")
    assert font is not None and font.width(["犬\ufe0f\u200d"]) == OTHER_SIZE
