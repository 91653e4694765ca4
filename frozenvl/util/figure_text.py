"""Texts of matplotlib figures in any script."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

from frozenvl.util.fonts import Font, dejavu
from frozenvl.util.scripts import pieces, warn_of_gaps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MISSING = "Glyph (%s) .*missing from "
"""matplotlib's warning about a character that no font of a text has, with its code point."""


def save_figure(figure: Figure, **options: Any) -> bytes:
    """Returns the file of a figure. Characters that DejaVu Sans lacks are drawn in the fonts of the machine.

    Args:
        figure: figure with names that users chose: of runs, benchmarks, metrics.
        options: keywords of matplotlib's `savefig`.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", message=MISSING % ".*")
        file = io.BytesIO()
        figure.savefig(file, **options)
    lacking = [entry for entry in caught if str(entry.message).startswith("Glyph ")]
    for entry in caught:
        if entry not in lacking:
            warnings.warn_explicit(entry.message, entry.category, entry.filename, entry.lineno)
    if not lacking:
        return file.getvalue()
    with warnings.catch_warnings():
        named = _use_other_fonts(figure)
        warnings.filterwarnings("ignore", message=MISSING % "|".join(str(ord(char)) for char in named))
        file = io.BytesIO()
        figure.savefig(file, **options)
    return file.getvalue()


def _use_other_fonts(figure: Figure) -> set[str]:
    """Gives each text of a figure the fonts that it needs; returns the characters that are in none."""
    from matplotlib.text import Text

    lacking: set[str] = set()
    for text in figure.findobj(Text):
        parts = pieces(text.get_text())
        warn_of_gaps([text.get_text()])
        lacking.update(*(part.text for part in parts if part.font is None))
        fonts = dict.fromkeys(part.font for part in parts if part.font not in (None, dejavu()))
        names = [_family(font) for font in fonts if font.face.size == font.size]  # matplotlib draws no pixels
        text.set_fontfamily([*text.get_fontfamily(), *names])
    return lacking


def _family(font: Font) -> str:
    """Makes a font known to matplotlib and returns the name of its family."""
    from matplotlib.font_manager import FontProperties, fontManager

    if not any(entry.fname == str(font.path) for entry in fontManager.ttflist):
        fontManager.addfont(str(font.path))
    return FontProperties(fname=str(font.path)).get_name()
