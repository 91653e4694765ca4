"""Image files to upright 8-bit RGB. Whatever stands in a file: pixels, or one line that says what is wrong."""

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
"""An image that claims more is refused by its header. A little less than Pillow's limit, which others may change."""
MARGIN = 2
"""A JPEG decoded at reduced size is at least this many times as large as what it will be fitted into."""
END_OF_JPEG = b"\xff\xd9"
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
"""What is decoded. Not all that Pillow opens: for EPS it starts a program, some others match almost any bytes."""

# Pillow warns of sizes that are allowed here and of odd metadata. Set once: `catch_warnings` is not thread-safe.
warnings.filterwarnings("ignore", module=r"PIL\.")


def decode(source: Path | bytes, what: str, side: int | None = None) -> PIL.Image.Image:
    """The first frame, turned as its EXIF orientation says. Transparency is dropped, not blended.

    Args:
        source: a file, or a file's content.
        what: names the image in messages.
        side: of the square that the image will be fitted into, in pixels: a JPEG is then decoded at 1/2, 1/4 or 1/8
            of its size, as long as its longest side stays at least `MARGIN` times this.

    Raises:
        UnreadableImage: no such file, or its content cannot be decoded whole.
    """
    data = content(source, what) if isinstance(source, Path) else source
    try:
        try:
            image = _load(data, side)
        except OSError:
            cut = data.rstrip(b"\xff")  # half a marker
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
    """Whether a JPEG that ends too early has all its pixels: then what follows its last byte changes none."""
    if not data.startswith(b"\xff\xd8"):
        return False
    one, other = (
        _load(data + more + END_OF_JPEG, None).tobytes() for more in (b"", bytes(range(254, 0, -1)))
    )
    return one == other


def content(path: Path, what: str) -> bytes:
    """The bytes of an image file.

    Raises:
        UnreadableImage: where they cannot be had.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UnreadableImage(
            f"{what}: no such image; check the folder of the data and that of its images"
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
    except Exception:  # metadata that cannot be read does not say which side is up
        return


def _rgb(image: PIL.Image.Image) -> PIL.Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        image = _eight_bits(image)
    image.info.pop("transparency", None)
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: PIL.Image.Image) -> PIL.Image.Image:
    """Grey values of more than 8 bits, scaled: Pillow's own conversion would clip them at 255."""
    values = np.asarray(image)
    if image.mode != "F" and values.min() >= 0 and values.max() < 2**16:
        return PIL.Image.fromarray((values >> 8).astype(np.uint8))
    # Floats and 32-bit integers have no agreed range: the lowest becomes black, the highest white.
    known = values[np.isfinite(values)].astype(np.float64)
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    finite = np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low)
    return PIL.Image.fromarray(((finite - low) * (255 / max(high - low, 1e-30))).astype(np.uint8))


def _reason(error: Exception, data: bytes | None = None) -> str:
    if data == b"":
        return "it is empty"
    if isinstance(error, PIL.UnidentifiedImageError):
        start = (data or b"")[:1024].lower()
        page = b"<html" in start or b"<!doctype html" in start
        return "it is an HTML page" if page else "cannot identify image file"
    if isinstance(error, PIL.Image.DecompressionBombError):
        return f"more than {MAX_PIXELS // 10**6} megapixels"
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__


def _unreadable(what: str, reason: str) -> UnreadableImage:
    return UnreadableImage(f"{what}: not a readable image ({reason}); remove or replace it")
