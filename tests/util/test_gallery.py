"""Sheets of images with texts below them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from frozenvl.util.gallery import (
    COLUMNS,
    MARGIN,
    SIDE,
    TEXT_HEIGHT,
    WIDTH,
    Tile,
    as_png,
    draw_gallery,
    log_png,
    wrap,
)

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
    lines = wrap("word " * 99, 2)
    assert len(lines) == 2 and lines[-1].endswith(" …") and all(len(line) <= WIDTH for line in lines)
    assert wrap("short", 2) == ["short"] and wrap("", 2) == []


def test_texts_stay_within_their_tile():
    def second_row(texts: list[str]) -> np.ndarray:
        sheet = draw_gallery([Tile(RED, texts), *[Tile(RED, [])] * COLUMNS])
        return np.asarray(sheet.crop((0, HIGH, *sheet.size)))

    assert np.array_equal(second_row(["word " * 99] * 30), second_row([]))


def test_as_png():
    with Image.open(io.BytesIO(as_png(RED))) as image:
        assert image.format == "PNG" and image.size == RED.size and image.getpixel((0, 0)) == (255, 0, 0)


def test_tensorboard_gets_the_file_as_it_is(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    png = as_png(Image.new("RGB", (30, 20), "red"))
    with SummaryWriter(str(tmp_path)) as writer:
        log_png(writer, "captions/gallery", png, 7)
    events = EventAccumulator(str(tmp_path)).Reload()
    (event,) = events.Images("captions/gallery")
    assert (event.step, event.width, event.height) == (7, 30, 20) and event.encoded_image_string == png
