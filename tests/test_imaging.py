"""Images that people really have: each is decoded as it should look, or refused in one line."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from frozenvl.errors import UnreadableImage
from frozenvl.imaging import MARGIN, MAX_PIXELS, decode
from frozenvl.prompt import ImageFile

pytestmark = pytest.mark.filterwarnings("ignore::Warning:PIL")  # pytest resets what the module sets

RED, BLUE = (200, 30, 40), (30, 40, 200)


def two_halves(size=(64, 48)) -> PIL.Image.Image:
    """Red above blue, with a white corner at the top left."""
    width, height = size
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[: height // 2], pixels[height // 2 :] = RED, BLUE
    pixels[: height // 4, : width // 4] = 255
    return PIL.Image.fromarray(pixels)


def photograph(size, seed=0) -> PIL.Image.Image:
    """Structure at all scales, like a photograph's."""
    random, total = np.random.default_rng(seed), np.zeros((size[1], size[0], 3))
    for step in (256, 64, 16, 4):
        noise = random.integers(0, 256, (size[1] // step + 2, size[0] // step + 2, 3), dtype=np.uint8)
        total += np.asarray(PIL.Image.fromarray(noise).resize(size, PIL.Image.Resampling.BICUBIC))
    return PIL.Image.fromarray((total / 4).astype(np.uint8))


def saved(image: PIL.Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def distance(one: PIL.Image.Image, other: PIL.Image.Image) -> float:
    """Mean absolute difference, of 255."""
    assert one.mode == other.mode == "RGB"
    assert one.size == other.size
    return float(np.abs(np.asarray(one, int) - np.asarray(other, int)).mean())


def refused(source: bytes | Path, name: str = "x.jpg") -> str:
    with pytest.raises(UnreadableImage) as error:
        decode(source, name)
    message = str(error.value)
    assert message.startswith(f"{name}: ") and "\n" not in message
    return message


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
def test_formats_of_photographs(kind, options):
    assert distance(decode(saved(two_halves(), kind, **options), "x"), two_halves()) < 3


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "CMYK", "YCbCr", "I", "F", "I;16"])
def test_every_mode_becomes_rgb(mode):
    image = decode(saved(PIL.Image.new(mode, (5, 4)), "TIFF"), "x")
    assert image.mode == "RGB" and image.size == (5, 4)


def test_grey_and_one_bit():
    grey = PIL.Image.linear_gradient("L").resize((16, 16))
    assert distance(decode(saved(grey, "PNG"), "x"), grey.convert("RGB")) == 0
    bits = PIL.Image.fromarray(np.eye(16, dtype=bool))
    assert np.array_equal(
        decode(saved(bits, "PNG"), "x"), np.eye(16, dtype=np.uint8)[..., None].repeat(3, 2) * 255
    )


def test_cmyk_jpeg():
    whole = saved(two_halves().convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in whole  # so its values are inverted
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
def test_floats_are_stretched(low_and_high):
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


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\x00\x00" + b"\xff" * 40,
        b"Exif\x00\x00II*\x00",
        b"Exif\x00\x00II*\x00\xff\xff\xff\xff",
        b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff" + bytes(range(256)),
        b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x02\x00\xff\xff\xff\x7f\x06\x00\x00\x00",
        b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x63\x00\x00\x00\x00\x00\x00\x00",
        b"garbage",
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_garbage_for_exif_does_no_harm(kind, exif):
    options = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}.get(kind, {})
    assert distance(decode(saved(two_halves(), kind, exif=exif, **options), "x"), two_halves()) < 3


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_many(kind):
    frames = [PIL.Image.new("RGB", (8, 8), (50 * n, 0, 0)) for n in range(4)]
    options = {"lossless": True} if kind == "WEBP" else {}
    moving = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert PIL.Image.open(io.BytesIO(moving)).n_frames == 4
    assert decode(moving, "x").getpixel((3, 3)) == (0, 0, 0)


def claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims a size."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(999))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("pillows_limit", [None, PIL.Image.MAX_IMAGE_PIXELS])
def test_a_decompression_bomb_is_refused_by_its_header(monkeypatch, pillows_limit):
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", pillows_limit)
    monkeypatch.setattr(PIL.Image.core, "new", lambda *_: pytest.fail("memory was asked for"))
    for size in ((60_000, 60_000), (MAX_PIXELS + 1, 1)):
        assert refused(claiming(*size)) == (
            "x.jpg: not a readable image (more than 175 megapixels); remove or replace it"
        )


def test_nothing_is_printed(tmp_path):
    """Large but allowed, odd metadata, transparency in a palette: no warnings, in a process of its own."""
    two_halves().quantize(3).save(tmp_path / "palette.png", transparency=b"\x00\x80\xff")
    two_halves().save(tmp_path / "exif.jpg", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x05\x00\x12\x01")
    (tmp_path / "html.png").write_text("<html></html>")
    code = """if True:
        import sys, PIL.Image
        from pathlib import Path
        from frozenvl.errors import UserError
        from frozenvl.imaging import decode
        PIL.Image.MAX_IMAGE_PIXELS = 2000
        for path in Path(sys.argv[1]).iterdir():
            try:
                decode(path, path.name)
            except UserError:
                assert path.name == "html.png"
    """
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("size", [(40_000, 10), (10, 40_000)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_banner_is_read(size, kind):
    image = decode(saved(PIL.Image.new("RGB", size, RED), kind), "x", side=224)
    assert max(image.size) >= 224 and min(image.size) >= 1
    assert kind == "PNG" or max(image.size) <= 5000
    assert np.abs(np.asarray(image, int) - RED).max() < 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_truncated_file_is_refused(kind, share):
    whole = saved(photograph((128, 96)), kind)
    refused(whole[: int(len(whole) * share)])


@pytest.mark.parametrize("side", [None, 16])
def test_a_truncated_jpeg_is_refused_at_every_length(side):
    whole = saved(photograph((64, 64)), "JPEG")
    for length in range(0, len(whole) - 40, 97):
        with pytest.raises(UnreadableImage):
            decode(whole[:length], "x", side)


@pytest.mark.parametrize("kind", ["JPEG", "progressive JPEG", "GIF", "PNG"])
def test_a_missing_end_marker_does_no_harm(kind):
    whole = saved(photograph((64, 48)), kind.split()[-1], progressive=kind.startswith("progressive"))
    cut = whole[: -{"GIF": 1, "PNG": 12}.get(kind, 2)]
    assert distance(decode(cut, "x"), decode(whole, "x")) == 0
    assert decode(cut, "x", side=4).size == decode(whole, "x", side=4).size
    refused(whole[: len(whole) * 4 // 5])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"\n <!DOCTYPE html>\n<title>404</title>", "it is an HTML page"),
        (b'<?xml version="1.0"?>\n<HTML lang="en"><body>Not found', "it is an HTML page"),
        (b"hello", "cannot identify image file"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "cannot identify image file"),
        (bytes(5000), "cannot identify image file"),
    ],
)
def test_what_is_no_image_is_called_by_its_name(tmp_path, content, reason):
    (tmp_path / "x.jpg").write_bytes(content)
    for source in (content, tmp_path / "x.jpg"):
        assert refused(source) == f"x.jpg: not a readable image ({reason}); remove or replace it"


def test_files_that_cannot_be_read(tmp_path):
    assert refused(tmp_path / "x.jpg") == "x.jpg: no such image; check data.root and the image folder"
    assert "(Is a directory)" in refused(tmp_path)
    assert "(File name too long)" in refused(tmp_path / ("x" * 300))
    assert "(embedded null byte)" in refused(tmp_path / "x\0")


def test_no_permission(tmp_path):
    path = tmp_path / "x.jpg"
    two_halves().save(path)
    path.chmod(0)
    user = os.geteuid()
    if user == 0:  # who may read everything
        os.seteuid(65534)
    try:
        assert refused(path) == "x.jpg: not a readable image (Permission denied); remove or replace it"
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
def test_no_damage_makes_it_fail_otherwise(kind):
    random, whole = np.random.default_rng(0), saved(photograph((24, 16)), kind)
    for _ in range(150):
        damaged = bytearray(whole)
        for at in random.integers(0, min(len(whole), 400), random.integers(1, 6)):
            damaged[at] = random.integers(256)
        try:
            assert decode(bytes(damaged), "x", side=8).mode == "RGB"
        except UnreadableImage as error:
            assert "\n" not in str(error)


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


def test_reduced_pixels_are_close_to_the_full_ones():
    whole, fit = saved(photograph((1600, 1200)), "JPEG", quality=90), (224, 168)
    full, reduced = (
        decode(whole, "x", side).resize(fit, PIL.Image.Resampling.BICUBIC) for side in (None, 224)
    )
    assert distance(full, reduced) < 1


def test_many_threads_at_once():
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


def test_an_image_file_reads_reduced_and_says_what_is_wrong(tmp_path):
    two_halves((640, 480)).save(tmp_path / "a.jpg")
    image = ImageFile(tmp_path / "a.jpg")
    assert (image.read().size, image.read(20).size) == ((640, 480), (80, 60))
    for path, reason in ((tmp_path / "none.jpg", "no such image"), (tmp_path, "Is a directory")):
        for use in (lambda image: image.read(), lambda image: image.digest):
            with pytest.raises(UnreadableImage, match=reason) as error:
                use(ImageFile(path))
            assert str(error.value).startswith(f"{path}: ")
