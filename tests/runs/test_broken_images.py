"""Broken image files are refused in one line, unless all their pixels can be read."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from pictures import distance, photograph, saved, two_halves

from frozenvl.util.errors import UnreadableImage
from frozenvl.util.imaging import MAX_PIXELS, decode

pytestmark = pytest.mark.filterwarnings(
    "ignore::Warning:PIL"
)  # pytest resets the filters that the module sets


def refused(source: bytes | Path, name: str = "x.jpg") -> str:
    with pytest.raises(UnreadableImage) as error:
        decode(source, name)
    message = str(error.value)
    assert message.startswith(f"{name}: ") and "\n" not in message
    return message


def claiming(width: int, height: int) -> bytes:
    """Makes a PNG of a few bytes whose header has a given size."""

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


def test_decoding_prints_no_warnings(tmp_path):
    """Decodes a large image, odd metadata and a transparent palette in a new process."""
    two_halves().quantize(3).save(tmp_path / "palette.png", transparency=b"\x00\x80\xff")
    two_halves().save(tmp_path / "exif.jpg", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x05\x00\x12\x01")
    (tmp_path / "html.png").write_text("<html></html>")
    code = """if True:
        import sys, PIL.Image
        from pathlib import Path
        from frozenvl.util.errors import UserError
        from frozenvl.util.imaging import decode
        PIL.Image.MAX_IMAGE_PIXELS = 2000
        for path in Path(sys.argv[1]).iterdir():
            try:
                decode(path, path.name)
            except UserError:
                assert path.name == "html.png"
    """
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


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


@pytest.mark.parametrize("progressive", [False, True])
def test_missing_pixels_of_a_jpeg_are_never_filled_in(progressive):
    for seed in range(4):
        whole = saved(photograph((64, 48), seed), "JPEG", progressive=progressive)
        expected = decode(whole, "x")
        assert distance(decode(whole[:-1], "x"), expected) == 0
        for missing in range(3, 100):
            try:
                assert distance(decode(whole[:-missing], "x"), expected) == 0
            except UnreadableImage:
                continue


@pytest.mark.parametrize("kind", ["JPEG", "progressive JPEG", "GIF", "PNG"])
def test_an_image_without_its_end_marker_is_read(kind):
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
def test_the_error_of_a_file_that_is_no_image_says_what_it_is(tmp_path, content, reason):
    (tmp_path / "x.jpg").write_bytes(content)
    for source in (content, tmp_path / "x.jpg"):
        assert refused(source) == f"x.jpg: not a readable image ({reason}); remove or replace it"


def test_unreadable_files_are_one_error_line(tmp_path):
    assert (
        refused(tmp_path / "x.jpg")
        == "x.jpg: no such image; check the path, or the folder of the data set's images"
    )
    assert "(Is a directory)" in refused(tmp_path)
    assert "(File name too long)" in refused(tmp_path / ("x" * 300))
    assert "(embedded null byte)" in refused(tmp_path / "x\0")


def test_a_file_without_read_permission_is_one_error_line(tmp_path):
    path = tmp_path / "x.jpg"
    two_halves().save(path)
    path.chmod(0)
    user = os.geteuid()
    if user == 0:  # root may read everything
        os.seteuid(65534)
    try:
        assert refused(path) == "x.jpg: not a readable image (Permission denied); remove or replace it"
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
def test_damaged_files_raise_no_other_error(kind):
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
def test_garbage_in_exif_is_ignored(kind, exif):
    options = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}.get(kind, {})
    assert distance(decode(saved(two_halves(), kind, exif=exif, **options), "x"), two_halves()) < 3
