"""Scripts of texts: splits a text into characters as a reader sees them, each with its script and a font."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from PIL import features

from frozenvl.util.fonts import FOLDER, Font, dejavu, font_with, warn

EMOJI, COMMON, NO_SCRIPT = "emoji", "Zyyy", frozenset({"Zyyy", "Zinh", "Zzzz"})
HAN = dict.fromkeys(("Hani", "Hira", "Kana", "Bopo"), "Hani")
"""Scripts (ISO 15924) that are mixed in Chinese and Japanese words → one of them."""
NAMES = {EMOJI: "emoji", "Hani": "Chinese and Japanese", "Hang": "Korean", "Deva": "Devanagari"}
PACKAGES = {EMOJI: "fonts-noto-color-emoji", "Hani": "fonts-noto-cjk", "Hang": "fonts-noto-cjk"}
"""Script → Debian package with a font for it."""
PACKAGE = "fonts-noto-core"
"""Debian package with fonts for all other scripts."""
SHAPED = (
    "Adlm Arab Beng Deva Gujr Guru Java Khmr Knda Mand Mlym Mong Mymr Nkoo Orya Rohg Sinh Syrc Taml Telu Tibt"
)
"""Scripts whose letters are joined or reordered."""
LONGEST = 32
"""Largest number of code points that are drawn as one character: a letter with 30 marks, an emoji of many."""
_named: set[tuple[str, str]] = set()
"""Warnings of this process: pairs of a kind and a script."""


class Piece(NamedTuple):
    """Character as a reader sees it: a letter with its marks, or an emoji with its modifiers."""

    text: str
    script: str
    """ISO 15924 code, or `emoji`."""
    font: Font | None
    """None if no font has it."""


def characters(text: str) -> list[str]:
    """Splits a text into characters as a reader sees them: extended grapheme clusters, endless ones in parts."""
    if text.isascii() and text.isprintable():
        return list(text)
    import regex

    clusters = regex.findall(r"\X", text)
    return [part[start : start + LONGEST] for part in clusters for start in range(0, len(part), LONGEST)]


def visible(text: str) -> str:
    """Returns a text without characters that need no glyph: joiners, variation selectors, controls, spaces."""
    import regex

    return regex.sub(r"[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]+", "", text)


def pieces(text: str) -> Sequence[Piece]:
    """Splits a text into characters with their fonts.

    A word of one script gets one font if a font has all of it, since letters of two fonts are not joined.
    """
    if text.isascii() and text.isprintable():  # most texts: ten times as fast
        return [Piece(char, COMMON, dejavu()) for char in text]
    parts = characters(text)
    found: list[Piece] = []
    for script, group in groupby(zip(parts, _scripts(parts), strict=True), key=lambda pair: pair[1]):
        word = [part for part, _ in group]
        font = font_with(visible("".join(word)), script == EMOJI)
        found += (Piece(part, script, font or font_with(visible(part), script == EMOJI)) for part in word)
    return found


def _scripts(parts: Sequence[str]) -> list[str]:
    """Returns the script of each character. Punctuation that DejaVu Sans lacks has its neighbour's."""
    scripts = [_script(part) for part in parts]
    for order in (range(len(parts)), reversed(range(len(parts)))):
        last = ""
        for place in order:
            if scripts[place] == COMMON and last and not dejavu().has(visible(parts[place])):
                scripts[place] = last
            last = scripts[place] if scripts[place] not in (COMMON, EMOJI) else ""
    return scripts


def _script(part: str) -> str:
    import regex
    from fontTools.unicodedata import script

    if regex.match(r"\p{Emoji_Presentation}(?!\uFE0E)|\p{Emoji}(\uFE0F|\u200D|\p{Emoji_Modifier})", part):
        return EMOJI
    code = script(part[0])
    return COMMON if code in NO_SCRIPT else HAN.get(code, code)


def warn_of_gaps(texts: Iterable[str]) -> None:
    """Prints a line about scripts that no font has, and one about those that Pillow cannot shape.

    Each script is named once in a process.
    """
    missing: dict[str, dict[str, str]] = {}
    unshaped: dict[str, str] = {}
    for piece in (piece for text in texts for piece in pieces(text)):
        if piece.font is None:
            missing.setdefault(_package(piece), {}).setdefault(_name(piece), visible(piece.text))
        elif piece.script in SHAPED and not features.check("raqm"):
            unshaped.setdefault(_name(piece), visible(piece.text))
    for package, examples in missing.items():
        if names := _new("missing", examples):
            warn(
                f"no font has {names}: boxes are drawn instead. Install a font (Debian: apt install {package}), "
                f"or name a folder of .ttf or .otf files in {FOLDER}"
            )
    if names := _new("unshaped", unshaped):
        warn(
            f"{names}: letters are not joined or reordered, because Pillow cannot use Raqm "
            "(Debian: apt install libfribidi0)"
        )


def _new(kind: str, examples: dict[str, str]) -> str:
    """Lists the scripts that this process has not named yet, each after a character."""
    new = {name: example for name, example in examples.items() if (kind, name) not in _named}
    _named.update((kind, name) for name in new)
    return ", ".join(f"{example} ({name})" for name, example in new.items())


def _name(piece: Piece) -> str:
    from fontTools.unicodedata import block, script_name

    if piece.script == COMMON:
        return block((visible(piece.text) or piece.text)[0])
    return NAMES.get(piece.script) or script_name(piece.script).replace("_", " ")


def _package(piece: Piece) -> str:
    wide = piece.script == COMMON and unicodedata.east_asian_width(piece.text[0]) in "WF"
    return PACKAGES["Hani"] if wide else PACKAGES.get(piece.script, PACKAGE)
