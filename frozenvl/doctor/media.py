"""Checks that images and videos can be decoded: each format is written and read again."""

from __future__ import annotations

import io
from collections.abc import Iterator

from frozenvl.doctor.finding import Finding

FORMATS = {"JPEG": 8, "PNG": 0, "WEBP": 8, "GIF": 8, "BMP": 0, "TIFF": 0, "AVIF": 8}
"""Image format → largest difference (of 255) of a pixel of one colour that is written and read again."""
COLOUR = (40, 90, 200)


def images() -> Iterator[Finding]:
    """Writes and reads an image of each format."""
    import PIL
    from PIL import Image

    good: list[str] = []
    bad: list[str] = []
    for name, tolerance in FORMATS.items():
        data = io.BytesIO()
        try:
            Image.new("RGB", (64, 48), COLOUR).save(data, name)
            data.seek(0)
            seen = Image.open(data).convert("RGB").getpixel((20, 20))
        except (OSError, KeyError):
            bad.append(name)
            continue
        close = (
            isinstance(seen, tuple)
            and max(abs(a - b) for a, b in zip(seen, COLOUR, strict=True)) <= tolerance
        )
        (good if close else bad).append(name)
    yield Finding("ok", f"Pillow {PIL.__version__} decodes {', '.join(good)}")
    if bad:
        yield Finding(
            "warning",
            f"Pillow does not decode {', '.join(bad)}, so such images count as unreadable",
            "pip install -U pillow",
        )


def videos() -> Iterator[Finding]:
    """Writes a short clip and reads a frame of it."""
    import tempfile
    from pathlib import Path

    import av
    import numpy as np

    from frozenvl.video import Video

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        with av.open(str(path), "w") as container:
            stream: av.VideoStream = container.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for _ in range(5):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), COLOUR, np.uint8))
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        frames = Video(path).frames
        seen = np.asarray(frames[-1].read())[20, 20]
    right = np.abs(seen.astype(int) - COLOUR).max() <= 16
    yield Finding(
        "ok" if right else "error",
        f"PyAV {av.__version__} {'decodes' if right else 'decodes wrongly'} a clip (mp4)",
        "" if right else "pip install -U av",
    )
