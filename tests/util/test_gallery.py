"""Sheets of images with texts below them."""

from __future__ import annotations

import io
import textwrap

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from tiny_fonts import make_font

from frozenvl.util.fonts import OTHER_SIZE, dejavu, font_files, font_with
from frozenvl.util.gallery import (
    COLUMNS,
    LINE,
    MARGIN,
    SIDE,
    TEXT_HEIGHT,
    Tile,
    as_png,
    decoded_picture,
    draw_gallery,
    encoded_picture,
    log_png,
)
from frozenvl.util.text_layout import draw_line

WIDE, HIGH = SIDE + 2 * MARGIN, SIDE + TEXT_HEIGHT + 2 * MARGIN
RED = Image.new("RGB", (30, 20), "red")


@pytest.mark.parametrize(("tiles", "rows"), [(0, 1), (1, 1), (COLUMNS, 1), (COLUMNS + 1, 2)])
def test_a_sheet_has_as_many_rows_as_its_tiles_need(tiles, rows):
    assert draw_gallery([Tile(RED, ["a"])] * tiles).size == (COLUMNS * WIDE, rows * HIGH)


def below(tile: Tile) -> np.ndarray:
    """Returns the pixels of the texts of a tile."""
    sheet = draw_gallery([tile]).crop((0, MARGIN + SIDE, WIDE, HIGH))
    return np.asarray(sheet)


def test_an_image_keeps_its_aspect_ratio():
    sheet = draw_gallery([Tile(RED, [])])
    middle = MARGIN + SIDE // 2
    assert sheet.getpixel((middle, middle)) == (255, 0, 0)
    assert sheet.getpixel((middle, MARGIN + 5)) == (0xEE, 0xEE, 0xEE)  # above the image, since it is wide
    assert (below(Tile(RED, [])) == 255).all()


def colours(tile: Tile) -> set[tuple[int, int, int]]:
    return {tuple(pixel) for row in below(tile).tolist() for pixel in row}


def test_each_kind_of_text_has_its_colour():
    blue, grey, black = (0x0B, 0x53, 0x94), (0x77, 0x77, 0x77), (0, 0, 0)
    words = "EEEE HHHH"
    assert blue in colours(Tile(RED, [words])) and not {grey, black} & colours(Tile(RED, [words]))
    assert grey in colours(Tile(RED, [], references=[words]))
    assert black in colours(Tile(RED, [], question=words))


def test_an_empty_answer_is_marked_and_equal_references_are_shown_once():
    assert np.array_equal(below(Tile(RED, [""])), below(Tile(RED, ["(nothing)"])))
    twice, once = (Tile(RED, [], references=["a dog"] * n) for n in (2, 1))
    assert np.array_equal(below(twice), below(once))


def test_long_texts_are_cut():
    for kind, most in (("question", 2), ("texts", 3), ("references", 2)):
        whole, cut = (
            below(Tile(RED, **{"texts": [], kind: text if kind == "question" else [text]}))
            for text in ("word " * 7 * most, "word " * 99)
        )
        ends = [np.nonzero((pixels != 255).any((1, 2)))[0].max() // LINE for pixels in (whole, cut)]
        assert ends == [most, most]


def former(question: str, texts: list[str], references: list[str]) -> np.ndarray:
    """Draws texts in DejaVu Sans alone, 34 characters a line."""
    image = Image.new("RGB", (WIDE, HIGH - MARGIN - SIDE), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.truetype(dejavu().path, 11)
    kinds = [(question, 2, "black"), *((text, 3, "#0b5394") for text in texts)]
    kinds += [(text, 2, "#777777") for text in references]
    lines = [(line, colour) for text, most, colour in kinds for line in shortened(text, most)]
    for number, (line, colour) in enumerate(lines):
        draw.text((MARGIN, 6 + number * LINE), line, fill=colour, font=font)
    return np.asarray(image)


def shortened(text: str, most: int) -> list[str]:
    return textwrap.wrap(text, 34, max_lines=most, placeholder=" …")


def test_latin_texts_are_drawn_in_dejavu_sans():
    question = "What is the well-known fox — “AV” — doing?\nÅngström, naïve"
    texts, references = ["✓ → a brown fox " * 3, "x" * 70], ["Ελληνικά русский", "tab\there, $5.00  & more"]
    assert np.array_equal(below(Tile(RED, texts, question, references)), former(question, texts, references))


def test_other_scripts_are_drawn_in_the_fonts_of_the_machine(font_folder, capsys):
    boxes = below(Tile(RED, ["犬" * 40]))
    assert capsys.readouterr().err.startswith(
        "frozenvl: warning: no font has 犬 (Chinese and Japanese): boxes "
    )
    make_font(font_folder / "a.ttf", "犬")
    font_files.cache_clear()
    font_with.cache_clear()
    squares = below(Tile(RED, ["犬" * 40]))
    assert not np.array_equal(boxes, squares) and not capsys.readouterr().err
    rows, columns = np.nonzero((squares != 255).any(2))
    assert columns.min() == MARGIN and MARGIN + SIDE - OTHER_SIZE < columns.max() < MARGIN + SIDE
    assert rows.max() // LINE == 3  # three lines: 17, 17 and 6 squares


def test_a_paragraph_has_one_direction(font_folder):
    """The second line of a right-to-left paragraph begins with a Latin word, so that is on the right."""
    second = below(Tile(RED, ["אבגד " * 7 + "dogs א"]))[6 + LINE : 6 + 2 * LINE]
    right, left = (Image.new("RGB", (WIDE, LINE), "white") for _ in range(2))
    draw_line(right, (MARGIN, 0), "dogs א", "#0b5394", right_to_left=True)
    draw_line(left, (MARGIN, 0), "dogs א", "#0b5394", right_to_left=False)
    assert np.array_equal(second, np.asarray(right)) and not np.array_equal(second, np.asarray(left))


def test_texts_stay_within_their_tile():
    def second_row(texts: list[str]) -> np.ndarray:
        sheet = draw_gallery([Tile(RED, texts), *[Tile(RED, [])] * COLUMNS])
        return np.asarray(sheet.crop((0, HIGH, *sheet.size)))

    assert np.array_equal(second_row(["word " * 99] * 30), second_row([]))


def test_as_png():
    with Image.open(io.BytesIO(as_png(RED))) as image:
        assert image.format == "PNG" and image.size == RED.size and image.getpixel((0, 0)) == (255, 0, 0)


def test_pixels_come_back_from_their_text():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3)).astype(np.uint8)
    assert np.array_equal(decoded_picture(encoded_picture(pixels)), pixels)


def test_tensorboard_gets_the_file_as_it_is(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    png = as_png(Image.new("RGB", (30, 20), "red"))
    with SummaryWriter(str(tmp_path)) as writer:
        log_png(writer, "captions/gallery", png, 7)
    events = EventAccumulator(str(tmp_path)).Reload()
    (event,) = events.Images("captions/gallery")
    assert (event.step, event.width, event.height) == (7, 30, 20) and event.encoded_image_string == png
