"""Recognises video files, and makes the image or the video of a file."""

from __future__ import annotations

from pathlib import Path

from frozenvl.prompt import Image, ImageFile
from frozenvl.video.sampling import Sampling
from frozenvl.video.suffixes import CLIP_ENDINGS
from frozenvl.video.video import Video

STARTS = (
    b"\x1a\x45\xdf\xa3",  # Matroska, WebM
    b"\x00\x00\x01\xba",  # MPEG program stream
    b"\x00\x00\x01\xb3",  # MPEG video
    b"\x30\x26\xb2\x75",  # WMV
    b"FLV\x01",
    b"OggS",
)
"""First bytes of video files, beside MP4 and AVI."""
IMAGE_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")
"""Brands of MP4-like files that hold images."""


def is_video(path: Path) -> bool:
    """Tells whether a file is a video, by its first bytes; by its suffix, if these are of no known container."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        head = b""
    if head[4:8] == b"ftyp":
        return head[8:12] not in IMAGE_BRANDS
    if head.startswith(STARTS) or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return True
    known = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"RIFF", b"II*\0", b"MM\0*")
    return not head.startswith(known) and path.suffix.lower() in CLIP_ENDINGS


def image_or_video(path: Path, sampling: Sampling | None = None) -> Image:
    """Returns the video of a video file, the image of another file. Nothing is decoded.

    Args:
        path: the file.
        sampling: rule that chooses the frames of a video; by default 8 by `uniform`.
    """
    return Video(path, sampling) if is_video(path) else ImageFile(path)
