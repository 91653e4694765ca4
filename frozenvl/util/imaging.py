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
BACKGROUND = "white"
"""Colour behind transparent pixels. Most drawings on transparent ground are dark, and would vanish on black."""
END_OF_JPEG = b"\xff\xd9"
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
"""Formats that are decoded. Pillow opens more, but EPS starts a program and some others match almost any bytes."""

# Pillow warns about allowed sizes and odd metadata. Set globally, because `catch_warnings` is not thread-safe.
warnings.filterwarnings("ignore", module=r"PIL\.")


def decode(source: Path | bytes, what: str, side: int | None = None) -> PIL.Image.Image:
    """Decodes the first frame, rotated by its EXIF orientation and blended on white where it is transparent.

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
        return upright_rgb(image, data)
    except Exception as error:  # a broken file makes the decoders raise almost anything
        raise _unreadable(what, _reason(error, data)) from None


def upright_rgb(image: PIL.Image.Image, data: bytes = b"") -> PIL.Image.Image:
    """Returns a decoded image rotated by its EXIF orientation and blended on white where it is transparent.

    Args:
        image: decoded image; its metadata may change.
        data: file that it was decoded from, if it is known.
    """
    _turn_upright(image)
    return _rgb(image, _alpha(image, data))


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


def _alpha(image: PIL.Image.Image, data: bytes) -> PIL.Image.Image | None:
    """Returns the opacity of each pixel, from 0 to 255; None if the image has no transparency."""
    if image.mode in ("RGBA", "LA", "PA"):
        return image.getchannel("A")
    if image.mode in ("RGBa", "La"):
        return image.getchannel("a")
    transparent = image.info.get("transparency")
    if transparent is None:
        return None
    if image.mode == "P":
        return image.convert("RGBA").getchannel("A")
    # One colour of a grey or RGB image is transparent. PNG gives it in the bits of the file, not in those of the image.
    bits = data[24] if data.startswith(b"\x89PNG") else 8
    colour = np.atleast_1d(transparent)
    if image.mode == "L":
        colour = colour * 255 // (2**bits - 1)
    elif image.mode == "RGB" and bits == 16:
        colour = colour >> 8
    elif image.mode == "1":
        colour = colour > 0
    values = np.asarray(image)
    same = (values.reshape(*values.shape[:2], -1) == colour).all(2)
    return PIL.Image.fromarray(np.where(same, 0, 255).astype(np.uint8))


def _rgb(image: PIL.Image.Image, alpha: PIL.Image.Image | None) -> PIL.Image.Image:
    """Converts an image to RGB. What is transparent becomes white, as on paper; opaque pixels stay as they are."""
    if image.mode == "F" or image.mode.startswith("I"):
        image = _eight_bits(image)
    elif image.mode in ("RGBa", "La"):  # colours that are multiplied by their opacity
        image = image.convert(image.mode.upper())
    image.info.pop("transparency", None)
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    if alpha is None or alpha.getextrema()[0] == 255:
        return rgb
    return PIL.Image.composite(rgb, PIL.Image.new("RGB", rgb.size, BACKGROUND), alpha)


def _eight_bits(image: PIL.Image.Image) -> PIL.Image.Image:
    """Scales grey values of more than 8 bits to 8. Pillow's own conversion would clip them at 255.

    Raises:
        ValueError: if a value is NaN or infinite.
    """
    values = np.asarray(image)
    if image.mode != "F" and values.min() >= 0 and values.max() < 2**16:
        return PIL.Image.fromarray((values >> 8).astype(np.uint8))
    # Floats and 32-bit integers have no agreed range: the lowest becomes black, the highest white.
    values = values.astype(np.float64)
    if odd := values.size - np.isfinite(values).sum():
        raise ValueError(f"{odd} of its {values.size} values are NaN or infinite")
    low, high = values.min(), values.max()
    return PIL.Image.fromarray(((values - low) * (255 / max(high - low, 1e-30))).astype(np.uint8))


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
