import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

from frozenvl.util.contact_sheet import GAP, SIDE, contact_sheet, padded


def squares(count, size=(20, 10)):
    return [PIL.Image.new("RGB", size, (10 * number, 0, 0)) for number in range(1, count + 1)]


@pytest.mark.parametrize(
    ("count", "columns", "rows"), [(2, 2, 1), (4, 2, 2), (8, 3, 3), (16, 4, 4), (17, 4, 5)]
)
def test_pictures_stand_in_rows(count, columns, rows):
    sheet = contact_sheet(squares(count))
    assert sheet.size == (columns * (20 + GAP) - GAP, rows * (10 + GAP) - GAP)
    for number in range(count):
        row, column = divmod(number, columns)
        middle = column * (20 + GAP) + 10, row * (10 + GAP) + 5
        assert sheet.getpixel(middle) == (10 * (number + 1), 0, 0)
    if count < columns * rows:
        assert sheet.getpixel((sheet.width - 1, sheet.height - 1)) == (255, 255, 255)


def test_one_picture_stays_as_it_is():
    (picture,) = squares(1)
    assert contact_sheet([picture]) is picture


def test_large_pictures_are_scaled_and_others_fitted():
    large, tall = PIL.Image.new("RGB", (4 * SIDE, 2 * SIDE)), PIL.Image.new("RGB", (10, 40))
    assert contact_sheet([large, tall]).size == (2 * SIDE + GAP, SIDE // 2)


@pytest.mark.parametrize("size", [(30, 20), (20, 30), (7, 5), (64, 64), (333, 50)])
def test_a_padded_picture_is_that_of_pillow(size):
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    picture = PIL.Image.fromarray(noise)
    wanted = PIL.ImageOps.pad(picture, (40, 32), color="#eeeeee")
    assert padded(picture, (40, 32), "#eeeeee").tobytes() == wanted.tobytes()


@pytest.mark.parametrize("size", [(5000, 1), (1, 5000)])
def test_a_line_is_padded_too(size):
    made = padded(PIL.Image.new("RGB", size, "red"), (64, 64), "white")
    assert made.size == (64, 64) and made.getpixel((32, 32)) == (255, 0, 0)
