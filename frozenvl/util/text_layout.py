"""Lines of text in any script: breaks a text into lines, and draws a line, each part in a font that has it."""

from __future__ import annotations

import string
import textwrap
from itertools import groupby

from PIL import Image

from frozenvl.util.bidi import in_visual_order, levels
from frozenvl.util.fonts import Font, dejavu
from frozenvl.util.scripts import LONGEST, characters, pieces, visible

SOLID = r"[\p{lb=ID}\p{lb=CJ}\p{lb=EB}\p{lb=RI}\p{lb=SA}]"
"""Characters beside which a line may end without a space: Chinese, Japanese, emoji, Thai, Lao, Khmer, Burmese."""
OPENING = r"[\p{lb=OP}\p{Logical_Order_Exception}]"
"""Never last in a line: opening brackets, and vowels that Thai and Lao write before their consonant."""
CLOSING = r"[\p{lb=CL}\p{lb=CP}\p{lb=EX}\p{lb=IS}\p{lb=NS}ฯะาๅๆ]"
"""Never first in a line: closing brackets, full stops and the like."""
_BEFORE, _AFTER = rf"(?:(?={OPENING})\X)*", rf"(?:(?={CLOSING})\X)*"
WORDS = rf"{_BEFORE}(?!{OPENING})(?={SOLID})\X{_AFTER}|(?:(?!{OPENING}*{SOLID})\X)+|\X"
"""Regular expression of the parts between which a line may end, in a text without spaces."""
SPACES = string.whitespace + "\x1c\x1d\x1e\x85\u2028\u2029"
"""What is drawn as a space: also line and paragraph separators, at which Raqm fails."""
ELLIPSIS = " …"


def wrap(text: str, width: int, column: float, most: int) -> list[str]:
    """Wraps a text as `textwrap` does, and between characters where a script has no spaces.

    Args:
        text: text of any script.
        width: columns of a line. A character of DejaVu Sans takes one column; those of other fonts are measured.
        column: width of a column in pixels.
        most: largest number of lines. If a text is longer, its last line ends in an ellipsis.
    """
    lines: list[str] = []
    seen = LONGEST * width * (most + 1)  # no line shows what is behind
    words = _words(text[:seen])[::-1]  # the next word is the last, as in textwrap
    while words:
        line: list[str] = []
        used = 0.0
        if lines and not words[-1].strip():
            words.pop()
        while words and used + (wide := _columns(words[-1], column)) <= width:
            line.append(words.pop())
            used += wide
        if words and wide > width:
            begin, words[-1] = _cut(words[-1], width - used, column, must=not line)
            line.append(begin)
        if line and not line[-1].strip():
            line.pop()
        if line and (len(lines) + 1 < most or not "".join(words).strip()):
            lines.append("".join(line))
        elif line:
            return _shortened(lines, line, width, column)
    return lines


def _shortened(lines: list[str], line: list[str], width: int, column: float) -> list[str]:
    """Returns lines with a last line that ends in an ellipsis."""
    room = width - _columns(ELLIPSIS, column)
    while line and not (line[-1].strip() and _columns("".join(line), column) <= room):
        line.pop()
    if line:
        return [*lines, "".join(line) + ELLIPSIS]
    if lines and _columns(lines[-1].rstrip(), column) <= room:
        return [*lines[:-1], lines[-1].rstrip() + ELLIPSIS]
    return [*lines, ELLIPSIS.lstrip()]


def _words(text: str) -> list[str]:
    """Splits a text into parts that a line may end after: words, spaces, characters of some scripts."""
    import regex

    text = text.expandtabs().translate(dict.fromkeys(map(ord, SPACES), " "))
    words: list[str] = []
    for part in textwrap.TextWrapper.wordsep_re.split(text):
        words += [part] * bool(part) if part.isascii() else regex.findall(WORDS, part)
    return words


def _cut(word: str, room: float, column: float, must: bool) -> tuple[str, str]:
    """Splits a word into what fits, at least one character if it `must`, and the rest."""
    parts = characters(word)
    end = 0
    while end < len(parts) and _columns("".join(parts[: end + 1]), column) <= room:
        end += 1
    hyphens = [place + 1 for place in range(1, end) if parts[place] == "-" and set(parts[:place]) != {"-"}]
    end = hyphens[-1] if hyphens else max(end, int(must))
    return "".join(parts[:end]), "".join(parts[end:])


def _columns(text: str, column: float) -> float:
    """Returns the width of a text in columns."""
    width = 0.0
    for font, group in groupby(pieces(text), key=lambda piece: piece.font):
        parts = [piece.text for piece in group]
        if font is None:
            width += len(visible("".join(parts)))  # boxes
        else:
            width += len(parts) if font is dejavu() else font.width(parts) / column
    return width


def draw_line(
    sheet: Image.Image, place: tuple[float, float], text: str, colour: str, right_to_left: bool
) -> None:
    """Draws a line of text, from `place` to the right.

    Args:
        sheet: RGB image to draw on, white below the line.
        place: left end of the line, at the top of DejaVu Sans's letters, in pixels.
        text: line of any script.
        colour: colour of the letters.
        right_to_left: direction of the line's paragraph.
    """
    x, y = place
    baseline = y + dejavu().face.getmetrics()[0]
    for level, (font, parts) in in_visual_order(_runs(text, right_to_left)):
        x += font.draw(sheet, (x, baseline), parts, colour, right_to_left=level % 2 == 1)


def _runs(text: str, right_to_left: bool) -> list[tuple[int, tuple[Font, list[str]]]]:
    """Splits a line into runs of one embedding level and one font, in reading order."""
    level_of, position, found = levels(text, right_to_left), 0, []
    for piece in pieces(text):
        found.append((level_of[position], piece.font or dejavu(), piece.text))
        position += len(piece.text)
    return [
        (level, (font, [part for _, _, part in group]))
        for (level, font), group in groupby(found, key=lambda part: part[:2])
    ]
