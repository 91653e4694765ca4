"""Fonts for texts in any script: DejaVu Sans, and the fonts of the machine for what it lacks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, features

SIZE, OTHER_SIZE = 11, 13
"""Size in pixels of DejaVu Sans, and of other fonts, whose letters are smaller at equal size."""
BITMAP_SIZES = (109, 160, 136, 128, 96, 64)
"""Sizes of fonts that hold pixels: 109 is Noto Color Emoji's, 160 Apple Color Emoji's."""
FOLDER = "FROZENVL_FONTS"
"""Environment variable that names a folder of fonts."""
STYLES = (
    *("bold", "italic", "oblique", "light", "thin", "black", "heavy", "medium", "condensed", "serif", "mono"),
    *("emoji", "emj", "unifont"),
)
"""Words in file names of fonts that are taken last."""
PLACEHOLDERS = ("lastresort", "adobeblank")
"""File names of fonts that hold a box, or nothing, for every character."""


@dataclass(frozen=True, eq=False)
class Font:
    """Font file, which Pillow opens when it is first drawn with."""

    path: Path
    size: int
    """Size of its text in pixels."""
    characters: frozenset[int]

    def has(self, text: str) -> bool:
        """Returns whether the font has all characters of a text, and Pillow can draw them."""
        if not self.characters.issuperset(map(ord, text)):
            return False
        try:
            _, top, _, bottom = self.face.getbbox(text, mode="RGBA")
        except OSError:  # Pillow cannot read it
            return False
        # Glyphs are blank in fonts whose colours Pillow does not know, such as COLR version 1.
        return top < bottom or self is dejavu()

    @cached_property
    def face(self) -> ImageFont.FreeTypeFont:
        """Pillow's font, at `size` or, if the font holds pixels, at their size."""
        for size in (self.size, *BITMAP_SIZES):
            with suppress(OSError):
                face = ImageFont.truetype(self.path, size)
                # Only variable fonts have named styles. Their default may be Thin.
                with suppress(OSError, ValueError):
                    face.set_variation_by_name("Regular")
                return face
        raise OSError(f"{self.path}: Pillow cannot read this font")

    def width(self, parts: Sequence[str], right_to_left: bool = False) -> float:
        """Returns the width of a text in pixels.

        Args:
            parts: characters with their marks, in reading order.
            right_to_left: direction of all of them.
        """
        text, options = _shaped(parts, right_to_left)
        return self.face.getlength(text, **options) * self.size / self.face.size

    def draw(
        self,
        sheet: Image.Image,
        place: tuple[float, float],
        parts: Sequence[str],
        colour: str,
        right_to_left: bool,
    ) -> float:
        """Draws a text on a white RGB image, and returns its width in pixels.

        Args:
            sheet: image to draw on.
            place: left end of the baseline, in pixels.
            parts: characters with their marks, in reading order.
            colour: colour of the letters, unless the font has colours.
            right_to_left: direction of all of them.
        """
        text, options = _shaped(parts, right_to_left)
        options |= {"font": self.face, "anchor": "ls", "embedded_color": True}
        scale = self.size / self.face.size
        if scale == 1:
            ImageDraw.Draw(sheet).text(place, text, fill=colour, **options)
        else:
            left, top, right, bottom = map(int, ImageDraw.Draw(sheet).textbbox((0, 0), text, **options))
            drawn = Image.new("RGB", (max(1, right - left), max(1, bottom - top)), "white")
            ImageDraw.Draw(drawn).text((-left, -top), text, fill=colour, **options)
            size = [max(1, round(side * scale)) for side in drawn.size]
            small = drawn.resize((size[0], size[1]), Image.Resampling.LANCZOS)
            sheet.paste(small, (round(place[0] + left * scale), round(place[1] + top * scale)))
        return self.width(parts, right_to_left)


def _shaped(parts: Sequence[str], right_to_left: bool) -> tuple[str, dict[str, Any]]:
    """Returns a text and its direction for Pillow. Without Raqm, Pillow draws all characters from left to right."""
    if features.check("raqm"):
        return "".join(parts), {"direction": "rtl" if right_to_left else "ltr"}
    import regex

    text = "".join(reversed(parts) if right_to_left else parts)
    return regex.sub(r"\p{Default_Ignorable_Code_Point}", "", text), {}


@cache
def dejavu() -> Font:
    """Returns DejaVu Sans, which is part of matplotlib and has most alphabets and many symbols."""
    from matplotlib import get_data_path

    font = read_font(Path(get_data_path()) / "fonts/ttf/DejaVuSans.ttf", SIZE)
    assert font is not None
    return font


@cache
def read_font(path: Path, size: int = OTHER_SIZE) -> Font | None:
    """Reads which characters a font has; of a collection, its first font. Returns None if that cannot be used."""
    from fontTools.ttLib import TTFont

    try:
        with TTFont(path, fontNumber=0, lazy=True) as read:
            return Font(path, size, frozenset(read.getBestCmap() or ()))
    except Exception:  # a broken font may raise anything
        return None


@cache
def font_files() -> tuple[Path, ...]:
    """Returns the fonts in `$FROZENVL_FONTS`, then those of system and user; upright, regular ones first."""
    from matplotlib.font_manager import findSystemFonts

    def rank(path: Path) -> tuple[int, int, str]:
        name = path.stem.lower()
        return sum(style in name for style in STYLES), len(name), str(path)

    own = os.environ.get(FOLDER)
    own = own and str(Path(own).expanduser())
    if own and not Path(own).is_dir():
        warn(f"{FOLDER}: no such folder: {own}")
    folders = ([own], None) if own else (None,)
    files = [path for folder in folders for path in sorted(map(Path, findSystemFonts(folder)), key=rank)]
    return tuple(path for path in files if not path.stem.lower().startswith(PLACEHOLDERS))


def fonts(emoji: bool) -> Iterator[Font]:
    """Yields fonts, best first. Each file is read when its turn comes."""
    if emoji:
        named = [path for path in font_files() if any(word in path.stem.lower() for word in ("emoji", "emj"))]
        yield from filter(None, map(read_font, named))
    yield dejavu()
    for path in font_files():
        if font := read_font(path):
            yield font


@lru_cache(maxsize=4096)
def font_with(text: str, emoji: bool = False) -> Font | None:
    """Returns the best font that has all characters of a text; None if no font has.

    Args:
        text: characters that are visible.
        emoji: whether fonts of emoji are better than others.
    """
    return next((font for font in fonts(emoji) if font.has(text)), None)


def warn(line: str) -> None:
    """Prints a warning to stderr."""
    print(f"frozenvl: warning: {line}", file=sys.stderr, flush=True)
