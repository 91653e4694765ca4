"""Font files of a few glyphs, so that tests do not depend on the fonts of a machine."""

from __future__ import annotations

import io
from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTCollection, newTable
from fontTools.ttLib.tables.sbixGlyph import Glyph as Bitmap
from fontTools.ttLib.tables.sbixStrike import Strike
from PIL import Image

EM = 1000


def box(left: int, bottom: int, right: int, top: int):
    pen = TTGlyphPen(None)
    pen.moveTo((left, bottom))
    for corner in ((left, top), (right, top), (right, bottom)):
        pen.lineTo(corner)
    pen.closePath()
    return pen.glyph()


def builder(characters: str, top: int = EM, family: str = "Tiny") -> FontBuilder:
    """Font whose every character is a box `top` units high, and whose glyph for all others is empty."""
    names = {ord(char): f"u{ord(char):x}" for char in characters}
    made = FontBuilder(EM, isTTF=True)
    made.setupGlyphOrder([".notdef", *names.values()])
    made.setupCharacterMap(names)
    made.setupGlyf(
        {".notdef": TTGlyphPen(None).glyph(), **{name: box(0, 0, EM, top) for name in names.values()}}
    )
    made.setupHorizontalMetrics(dict.fromkeys([".notdef", *names.values()], (EM, 0)))
    made.setupHorizontalHeader(ascent=EM, descent=0)
    made.setupNameTable({"familyName": family, "styleName": "Regular", "fullName": family})
    made.setupOS2()
    made.setupPost()
    return made


def make_font(path: Path, characters: str, top: int = EM) -> Path:
    """Writes a font; one whose name ends in .ttc is a collection."""
    path.parent.mkdir(parents=True, exist_ok=True)
    font = builder(characters, top, f"Tiny {path.stem}").font
    if path.suffix == ".ttc":
        collection = TTCollection()
        collection.fonts = [font, builder("x").font]
        collection.save(path)
    else:
        font.save(path)
    return path


def make_bitmap_font(path: Path, characters: str, colour: str, size: int = 109) -> Path:
    """Writes a font that holds pixels of one size, as fonts of emoji do."""
    font = builder(characters).font
    picture = io.BytesIO()
    Image.new("RGBA", (size, size), colour).save(picture, "PNG")
    strike = Strike(ppem=size, resolution=72)
    for name in font.getGlyphOrder():
        data = {} if name == ".notdef" else {"graphicType": "png ", "imageData": picture.getvalue()}
        strike.glyphs[name] = Bitmap(glyphName=name, **data)
    font["sbix"] = newTable("sbix")
    font["sbix"].version, font["sbix"].flags, font["sbix"].strikes = 1, 1, {size: strike}
    font.save(path)
    return path


def make_layered_font(path: Path, characters: str, colour: tuple[float, float, float], version: int) -> Path:
    """Writes a font of coloured layers: the COLR table. Without its colours, one of version 1 is blank."""
    made = builder(characters + "\ue000", top=0 if version else EM)
    names = made.font.getGlyphOrder()[1:-1]
    made.font["glyf"]["ue000"] = box(0, 0, EM, EM)
    fill = {"Format": 2, "PaletteIndex": 0, "Alpha": 1}
    layers = {"Format": 10, "Paint": fill, "Glyph": "ue000"} if version else [("ue000", 0)]
    made.setupCOLR(dict.fromkeys(names, layers), version=version)
    made.setupCPAL([[(*colour, 1.0)]])
    made.save(path)
    return path
