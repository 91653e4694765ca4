"""Decoding of images in all usual formats and modes."""

from __future__ import annotations

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL.Image
import PIL.ImageDraw
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


YCBCR = pytest.param(
    "YCbCr",
    marks=pytest.mark.skipif(
        int(PIL.__version__.split(".")[0]) < 13,
        reason="Pillow 12 cannot read back the YCbCr TIFF that it writes",
    ),
)


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "CMYK", YCBCR, "I", "F", "I;16"])
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


def on_white(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Returns colours (…, 3) blended on white by their opacity (…), from 0 to 255."""
    share = alpha[..., None] / 255
    return colours * share + 255 * (1 - share)


@pytest.mark.parametrize("transparency", [None, 0, 2, b"\x00\x80\xff", b"\xff\x10"])
def test_palette_with_and_without_transparency(transparency):
    options = {} if transparency is None else {"transparency": transparency}
    palette = two_halves().quantize(3)
    image = decode(saved(palette, "PNG", **options), "x")
    opacity = np.full(256, 255)
    if isinstance(transparency, int):
        opacity[transparency] = 0
    elif transparency:
        opacity[: len(transparency)] = list(transparency)
    expected = on_white(np.asarray(palette.convert("RGB")), opacity[np.asarray(palette)])
    assert np.abs(np.asarray(image) - expected).max() <= 1
    assert "transparency" not in image.info


GROUNDS = [
    *((mode, "PNG", {}) for mode in ("RGBA", "LA")),
    *((mode, "TIFF", {}) for mode in ("RGBA", "LA")),
    ("RGBA", "WEBP", {"lossless": True, "exact": True}),
]


@pytest.mark.parametrize(("mode", "kind", "options"), GROUNDS)
def test_transparent_pixels_are_blended_on_white(mode, kind, options):
    random = np.random.default_rng(0)
    values = random.integers(0, 256, (16, 16, len(mode)), dtype=np.uint8)
    values[:4, :, -1], values[4:8, :, -1] = 0, 255
    found = np.asarray(decode(saved(PIL.Image.fromarray(values, mode), kind, **options), "x"))
    colours = values[..., :1].repeat(3, axis=2) if mode == "LA" else values[..., :3]
    assert np.abs(found - on_white(colours, values[..., -1])).max() <= 1
    assert np.all(found[:4] == 255) and np.array_equal(found[4:8], colours[4:8])


@pytest.mark.parametrize("ground", [(0, 0, 0, 0), (255, 255, 255, 0)])
def test_a_dark_drawing_on_transparent_ground_is_seen(ground):
    drawings = []
    for kind in ("ellipse", "rectangle"):
        picture = PIL.Image.new("RGBA", (64, 64), ground)
        getattr(PIL.ImageDraw.Draw(picture), kind)((12, 12, 50, 50), fill=(0, 0, 0, 255))
        drawings.append(decode(saved(picture, "PNG"), "x"))
        assert drawings[-1].getpixel((0, 0)) == (255, 255, 255)
        assert drawings[-1].getpixel((32, 32)) == (0, 0, 0)
    assert distance(*drawings) > 1


@pytest.mark.parametrize(
    ("mode", "colour", "value"),
    [
        ("RGB", (30, 40, 200), (30, 40, 200)),
        ("RGB", (0, 0, 0), (0, 0, 0)),
        ("L", 0, 0),
        ("L", 90, 90),
        ("1", 0, 0),
        ("I;16", 300, 300),
    ],
)
def test_the_one_transparent_colour_of_a_png_becomes_white(mode, colour, value):
    """A chunk tRNS names it, without a palette."""
    ground = PIL.Image.new(mode, (8, 8), (200, 30, 40) if mode == "RGB" else 255 if mode == "1" else 130)
    values = np.array(ground)
    values[:, :4] = value
    picture = PIL.Image.fromarray(values)
    plain, blended = (
        np.asarray(decode(saved(picture, "PNG", **options), "x"))
        for options in ({}, {"transparency": colour})
    )
    assert np.all(blended[:, :4] == 255) and np.array_equal(blended[:, 4:], plain[:, 4:])
    assert not np.all(plain[:, :4] == 255)


def png(depth: int, colour: int, rows: list[bytes], transparent: bytes) -> bytes:
    """Makes a PNG of 4 by 1 pixels with a bit depth that Pillow does not write."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 4, len(rows), depth, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = [("IHDR", header), ("tRNS", transparent), ("IDAT", data), ("IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name.encode(), body) for name, body in chunks)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (png(2, 0, [bytes([0b00_01_10_11])], b"\0\2"), [0, 85, 255, 255]),
        (png(4, 0, [bytes([0x05, 0xAF])], b"\0\x0a"), [0, 85, 255, 255]),
        (png(4, 0, [bytes([0x05, 0xAF])], b"\0\x05"), [0, 255, 170, 255]),
        (
            png(
                16,
                2,
                [b"\x12\x34" * 3 + b"\x00\x00" * 3 + b"\x80\x00" * 3 + b"\xff\xff" * 3],
                b"\x12\x34" * 3,
            ),
            [255, 0, 128, 255],
        ),
    ],
)
def test_the_transparent_colour_is_read_in_the_bits_of_the_file(content, expected):
    assert np.asarray(decode(content, "x"))[0, :, 0].tolist() == expected


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_opaque_images_with_an_alpha_channel_keep_their_pixels(mode, kind):
    picture = photograph((40, 30)).convert(mode)
    assert np.array_equal(np.asarray(decode(saved(picture, kind), "x")), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_grey_is_scaled_not_clipped(kind):
    values = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    image = decode(saved(PIL.Image.fromarray(values), kind), "x")
    assert np.array_equal(np.asarray(image)[..., 1], values // 256)


@pytest.mark.parametrize("low_and_high", [(0, 1), (-3, 1000), (0, 1e30)])
def test_floats_are_stretched_to_0_and_255(low_and_high):
    values = np.linspace(*low_and_high, 12, dtype=np.float32).reshape(3, 4)
    pixels = np.asarray(decode(saved(PIL.Image.fromarray(values), "TIFF"), "x"))[..., 0]
    assert (pixels[0, 0], pixels[2, 3]) == (0, 255)
    assert np.abs(pixels[1].astype(int) - [92, 115, 139, 162]).max() <= 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_floats_that_are_no_numbers_make_an_image_unreadable(value):
    values = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    values[0, 1:3] = value
    with pytest.raises(UnreadableImage) as error:
        decode(saved(PIL.Image.fromarray(values), "TIFF"), "x.tif")
    assert str(error.value) == (
        "x.tif: not a readable image (2 of its 12 values are NaN or infinite); remove or replace it"
    )


def test_wide_integers_and_constant_floats():
    values = np.array([[-(2**31), 0, 2**31 - 1]], np.int32)
    assert np.asarray(decode(saved(PIL.Image.fromarray(values), "TIFF"), "x"))[0, :, 0].tolist() == [
        0,
        127,
        255,
    ]
    assert decode(saved(PIL.Image.new("F", (2, 2), 7), "TIFF"), "x").getpixel((0, 0)) == (0, 0, 0)


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
