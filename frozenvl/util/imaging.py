"""Decodes image files to upright 8-bit RGB. A file that cannot be decoded raises a one-line error."""

from __future__ import annotations

import io
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import PIL.Image
from PIL import ImageOps

from frozenvl.util.errors import UnreadableImage

MAX_PIXELS = 175_000_000
"""Images with more pixels are refused by their header. Just below Pillow's limit, which other code may change."""
MARGIN = 2
"""A JPEG decoded at reduced size is at least this many times as large as the square it will be fitted into."""
END_OF_JPEG = b"\xff\xd9"
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
"""Formats that are decoded. Pillow opens more, but EPS starts a program and some others match almost any bytes."""

# Pillow warns about allowed sizes and odd metadata. Set globally, because `catch_warnings` is not thread-safe.
warnings.filterwarnings("ignore", module=r"PIL\.")


def decode(source: Path | bytes, what: str, side: int | None = None) -> PIL.Image.Image:
    """Decodes the first frame, rotated by its EXIF orientation. Transparency is dropped, not blended.

    Args:
        source: image file, or its content.
        what: name of the image in messages.
        side: side in pixels of the square that the image will be fitted into. A JPEG is then decoded at 1/2, 1/4 or
            1/8 of its size, as long as its longest side stays at least `MARGIN * side`.

    Raises:
        UnreadableImage: if the file is missing or its content cannot be decoded completely.
    """
    data = content(source, what) if isinstance(source, Path) else source
    try:
        try:
            image = _load(data, side)
        except OSError:
            cut = data.rstrip(b"\xff")  # a marker cut in half
            if not _lacks_only_its_end(cut):
                raise
            image = _load(cut + END_OF_JPEG, side)
        _turn_upright(image)
        return _rgb(image)
    except Exception as error:  # a broken file makes the decoders raise almost anything
        raise _unreadable(what, _reason(error, data)) from None


def _load(data: bytes, side: int | None) -> PIL.Image.Image:
    image = PIL.Image.open(io.BytesIO(data), formats=_formats())
    if image.width * image.height > MAX_PIXELS:
        raise PIL.Image.DecompressionBombError
    longest = max(image.size)
    if side is not None and longest > MARGIN * side:
        width, height = (-(-length * MARGIN * side // longest) for length in image.size)
        image.draft(None, (width, height))
    image.load()
    return image


def _lacks_only_its_end(data: bytes) -> bool:
    """Returns whether a truncated JPEG has all its pixels: then bytes appended to it change none of them."""
    if not data.startswith(b"\xff\xd8"):
        return False
    first, second = (
        _load(data + more + END_OF_JPEG, None).tobytes() for more in (b"", bytes(range(254, 0, -1)))
    )
    return first == second


def content(path: Path, what: str) -> bytes:
    """Reads the bytes of an image file.

    Raises:
        UnreadableImage: if the file is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UnreadableImage(
            f"{what}: no such image; check the path, or the folder of the data set's images"
        ) from None
    except (OSError, ValueError) as error:
        raise _unreadable(what, _reason(error)) from None


@cache
def _formats() -> list[str]:
    PIL.Image.init()
    return [name for name in FORMATS if name in PIL.Image.OPEN]  # AVIF came with Pillow 11.3


def _turn_upright(image: PIL.Image.Image) -> None:
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except Exception:  # unreadable metadata: keep the orientation
        return


def _rgb(image: PIL.Image.Image) -> PIL.Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        image = _eight_bits(image)
    image.info.pop("transparency", None)
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: PIL.Image.Image) -> PIL.Image.Image:
    """Scales grey values of more than 8 bits to 8. Pillow's own conversion would clip them at 255."""
    values = np.asarray(image)
    if image.mode != "F" and values.min() >= 0 and values.max() < 2**16:
        return PIL.Image.fromarray((values >> 8).astype(np.uint8))
    # Floats and 32-bit integers have no agreed range: the lowest becomes black, the highest white.
    finite = values[np.isfinite(values)].astype(np.float64)
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    clipped = np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low)
    return PIL.Image.fromarray(((clipped - low) * (255 / max(high - low, 1e-30))).astype(np.uint8))


def _reason(error: Exception, data: bytes | None = None) -> str:
    if data == b"":
        return "it is empty"
    if isinstance(error, PIL.UnidentifiedImageError):
        start = (data or b"")[:1024].lower()
        is_html = b"<html" in start or b"<!doctype html" in start
        return "it is an HTML page" if is_html else "cannot identify image file"
    if isinstance(error, PIL.Image.DecompressionBombError):
        return f"more than {MAX_PIXELS // 10**6} megapixels"
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__


def _unreadable(what: str, reason: str) -> UnreadableImage:
    return UnreadableImage(f"{what}: not a readable image ({reason}); remove or replace it")
