"""Tables of captions with an image folder, for tests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

NAMES = ("1000.jpg", "1001.jpg", "1002.jpg")


def write_table(
    folder: Path, content: bytes | str, images: Iterable[str] = NAMES, name: str = "pairs.tsv"
) -> tuple[str, str]:
    """Writes a table and empty image files; returns the paths of both."""
    for image in images:
        path = folder / "images" / image
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return str(folder / name), str(folder / "images")
