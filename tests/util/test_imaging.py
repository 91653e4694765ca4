"""Decoding of images in all usual formats and modes."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL.Image
import pytest
from pictures import RED, distance, photograph, saved, two_halves

from frozenvl.prompt import ImageFile
from frozenvl.util.errors import UnreadableImage
from frozenvl.util.imaging import MARGIN, decode

pytestmark = pytest.mark.filterwarnings(
    "ignore::Warning:PIL"
)  # pytest resets the filters that the module sets


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("JPEG", {"quality": 95, "progressive": True}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("GIF", {}),
        ("BMP", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("PPM", {}),
    ],
)
def test_photographs_in_all_formats(kind, options):
    assert distance(decode(saved(two_halves(), kind, **options), "x"), two_halves()) < 3


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "CMYK", "YCbCr", "I", "F", "I;16"])
def test_every_mode_becomes_rgb(mode):
    image = decode(saved(PIL.Image.new(mode, (5, 4)), "TIFF"), "x")
    assert image.mode == "RGB" and image.size == (5, 4)


def test_grey_and_one_bit_images():
    grey = PIL.Image.linear_gradient("L").resize((16, 16))
    assert distance(decode(saved(grey, "PNG"), "x"), grey.convert("RGB")) == 0
    bits = PIL.Image.fromarray(np.eye(16, dtype=bool))
    assert np.array_equal(
        decode(saved(bits, "PNG"), "x"), np.eye(16, dtype=np.uint8)[..., None].repeat(3, 2) * 255
    )


def test_inverted_cmyk_jpegs():
    whole = saved(two_halves().convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in whole  # its values are inverted
    assert distance(decode(whole, "x"), two_halves()) < 4


@pytest.mark.parametrize("transparency", [None, 0, b"\x00\x80\xff"])
def test_palette_with_and_without_transparency(transparency):
    options = {} if transparency is None else {"transparency": transparency}
    palette = two_halves().quantize(3)
    image = decode(saved(palette, "PNG", **options), "x")
    assert distance(image, two_halves()) < 1
    assert "transparency" not in image.info


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_dropped_not_blended(mode):
    image = PIL.Image.new(mode, (4, 4), (90, 60, 30, 0) if mode == "RGBA" else (90, 0))
    assert decode(saved(image, "PNG"), "x").getpixel((0, 0)) == (
        (90, 60, 30) if mode == "RGBA" else (90,) * 3
    )


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_grey_is_scaled_not_clipped(kind):
    values = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    image = decode(saved(PIL.Image.fromarray(values), kind), "x")
    assert np.array_equal(np.asarray(image)[..., 1], values // 256)


@pytest.mark.parametrize("low_and_high", [(0, 1), (-3, 1000), (0, 1e30)])
def test_floats_are_stretched_to_0_and_255(low_and_high):
    values = np.linspace(*low_and_high, 12, dtype=np.float32).reshape(3, 4)
    values[0, 1] = np.nan
    pixels = np.asarray(decode(saved(PIL.Image.fromarray(values), "TIFF"), "x"))[..., 0]
    assert (pixels[0, 0], pixels[0, 1], pixels[2, 3]) == (0, 0, 255)
    assert np.abs(pixels[1].astype(int) - [92, 115, 139, 162]).max() <= 1


def test_wide_integers_and_constant_floats():
    values = np.array([[-(2**31), 0, 2**31 - 1]], np.int32)
    assert np.asarray(decode(saved(PIL.Image.fromarray(values), "TIFF"), "x"))[0, :, 0].tolist() == [
        0,
        127,
        255,
    ]
    for constant in (7, np.nan, -np.inf):
        assert decode(saved(PIL.Image.new("F", (2, 2), constant), "TIFF"), "x").getpixel((0, 0)) == (0, 0, 0)


UNDO = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_90,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation, kind):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    turned = two_halves().transpose(UNDO[orientation]) if orientation > 1 else two_halves()
    options = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}.get(kind, {})
    assert distance(decode(saved(turned, kind, exif=exif, **options), "x"), two_halves()) < 3


def test_exif_orientation_of_a_reduced_image():
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    turned = two_halves((640, 480)).transpose(UNDO[6])
    image = decode(saved(turned, "JPEG", exif=exif), "x", side=10)
    assert image.size == (80, 60)
    assert distance(image, two_halves((80, 60))) < 4


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_animations_give_their_first_frame(kind):
    frames = [PIL.Image.new("RGB", (8, 8), (50 * n, 0, 0)) for n in range(4)]
    options = {"lossless": True} if kind == "WEBP" else {}
    moving = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert PIL.Image.open(io.BytesIO(moving)).n_frames == 4
    assert decode(moving, "x").getpixel((3, 3)) == (0, 0, 0)


@pytest.mark.parametrize("size", [(40_000, 10), (10, 40_000)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_very_long_images_are_read(size, kind):
    image = decode(saved(PIL.Image.new("RGB", size, RED), kind), "x", side=224)
    assert max(image.size) >= 224 and min(image.size) >= 1
    assert kind == "PNG" or max(image.size) <= 5000
    assert np.abs(np.asarray(image, int) - RED).max() < 4


@pytest.mark.parametrize(
    "size", [(1600, 1200), (1200, 1600), (900, 899), (449, 30), (448, 448), (300, 200), (9, 7)]
)
def test_a_jpeg_is_reduced_but_not_below_what_is_needed(size):
    whole = saved(PIL.Image.new("RGB", size), "JPEG")
    image = decode(whole, "x", side=224)
    assert decode(whole, "x").size == size
    assert max(image.size) >= min(max(size), MARGIN * 224)
    assert max(image.size) < 2 * MARGIN * 224 + 1
    assert abs(image.width / image.height - size[0] / size[1]) < 0.02


def test_only_jpegs_are_reduced():
    whole = saved(two_halves((640, 480)), "PNG")
    assert decode(whole, "x", side=10).size == (640, 480)


def test_reduced_pixels_are_close_to_full_ones():
    whole, fit = saved(photograph((1600, 1200)), "JPEG", quality=90), (224, 168)
    full, reduced = (
        decode(whole, "x", side).resize(fit, PIL.Image.Resampling.BICUBIC) for side in (None, 224)
    )
    assert distance(full, reduced) < 1


def test_decoding_is_thread_safe():
    files = [
        saved(photograph((90 + n, 70), n), kind) for n in range(6) for kind in ("JPEG", "PNG", "WEBP", "GIF")
    ]
    files.append(b"broken")

    def read(content: bytes) -> bytes:
        try:
            return decode(content, "x", side=20).tobytes()
        except UnreadableImage as error:
            return str(error).encode()

    expected = [read(content) for content in files]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(read, files * 8)) == expected * 8


def test_an_image_file_is_read_reduced_and_its_errors_name_it(tmp_path):
    two_halves((640, 480)).save(tmp_path / "a.jpg")
    image = ImageFile(tmp_path / "a.jpg")
    assert (image.read().size, image.read(20).size) == ((640, 480), (80, 60))
    for path, reason in ((tmp_path / "none.jpg", "no such image"), (tmp_path, "Is a directory")):
        for use in (lambda image: image.read(), lambda image: image.digest):
            with pytest.raises(UnreadableImage, match=reason) as error:
                use(ImageFile(path))
            assert str(error.value).startswith(f"{path}: ")
