"""Video clips whose frames carry their number, in blocks of black and white that survive compression."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import PIL.Image
import pytest

BITS, BLOCK = 12, 16
SIZE = BITS * BLOCK, 64
"""Width and height of a frame."""


def numbered(number: int) -> np.ndarray:
    """Draws a frame with its number in binary, over a colour that changes from frame to frame."""
    width, height = SIZE
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:] = (37 * number % 256, 60 + number % 128, 90)
    for bit in range(BITS):
        picture[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 255 * (number >> bit & 1)
    return picture


def number_in(picture: PIL.Image.Image) -> int:
    """Reads the number of a frame."""
    grey = np.asarray(picture.convert("L"))
    assert grey.shape == SIZE[::-1], grey.shape
    middle = BLOCK // 2
    return sum(int(grey[middle, bit * BLOCK + middle] > 127) << bit for bit in range(BITS))


def write_clip(
    path: Path,
    frames: int | Iterable[np.ndarray] = 40,
    codec: str = "libx264",
    rate: int = 10,
    times: Sequence[int] | None = None,
    turned: int = 0,
    sound: bool = False,
    **options: str,
) -> Path:
    """Writes a clip; returns its path.

    Args:
        path: file; its suffix gives the container.
        frames: number of numbered frames, or the frames themselves, RGB.
        codec: encoder.
        rate: frames per second.
        times: time of each frame in frames of the rate; by default one after the other.
        turned: degrees of the display matrix.
        sound: whether a silent audio track is added.
        options: options of the encoder, such as g="5" for a keyframe every 5 frames.
    """
    pictures = list(map(numbered, range(frames))) if isinstance(frames, int) else list(frames)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        if times is not None:
            stream.codec_context.time_base = stream.time_base = 1 / Fraction(rate)
        if turned:
            if not hasattr(type(stream), "set_display_rotation"):
                pytest.skip("this PyAV cannot write a display matrix")
            stream.set_display_rotation(turned)
        voice = container.add_stream("aac", rate=16000, layout="mono") if sound else None
        for place, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[place], 1 / Fraction(rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if voice is not None:
            container.mux(voice.encode(silence(1024)))
            container.mux(voice.encode())
    return path


@cache
def clip_bytes(number: int, frames: int = 3) -> bytes:
    """Returns the content of a small MP4 file whose frames are numbered from `number` on."""
    with TemporaryDirectory() as folder:
        pictures = [numbered(number + place) for place in range(frames)]
        return write_clip(Path(folder) / "a.mp4", pictures, "mpeg4").read_bytes()


def videos(folder: Path, *names: str) -> str:
    """Writes a small clip for each name, numbered from 100, 200, … on; returns their folder."""
    for place, name in enumerate(names, 1):
        path = folder / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(clip_bytes(100 * place))
    return str(folder / "videos")


def write_sound(path: Path) -> Path:
    """Writes a file with sound and no video."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        container.mux(stream.encode(silence(4096)))
        container.mux(stream.encode())
    return path


def silence(samples: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, samples), np.float32), format="fltp", layout="mono")
    frame.sample_rate = 16000
    return frame


def every_frame(path: Path) -> list[np.ndarray]:
    """Decodes a whole clip with PyAV."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
