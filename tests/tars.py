"""Tars for tests."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from frozenvl.prompt import Example


def picture(number: int = 0, size: tuple[int, int] = (8, 6), kind: str = "JPEG") -> bytes:
    """Makes the content of an image file; each number has its own colour."""
    buffer = io.BytesIO()
    Image.new("RGB", size, (number * 37 % 256, number * 11 % 256, 99)).save(buffer, kind)
    return buffer.getvalue()


def write_tar(path: Path, members: Iterable[tuple[str, Any]], **settings: Any) -> Path:
    """Writes a tar of (name, content). Content is bytes, text, an object for JSON, or a `TarInfo`."""
    with tarfile.open(path, "w", **settings) as tar:
        for name, content in members:
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            if not isinstance(content, bytes):
                content = (content if isinstance(content, str) else json.dumps(content)).encode()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def sample(number: int, caption: str | None = None) -> list[tuple[str, Any]]:
    """Returns the members of a sample in img2dataset's layout."""
    key, caption = f"{number:09}", caption or f"caption {number}"
    return [
        (f"{key}.jpg", picture(number)),
        (f"{key}.txt", caption),
        (f"{key}.json", {"key": key, "caption": caption, "url": f"x/{number}.jpg"}),
    ]


def folder_of_shards(folder: Path, sizes: Iterable[int]) -> Path:
    """Writes a tar for each size, with that many samples; returns the folder. Samples are numbered over all tars."""
    folder.mkdir(exist_ok=True)
    number = 0
    for shard, size in enumerate(sizes):
        write_tar(
            folder / f"{shard:05}.tar", [each for place in range(size) for each in sample(number + place)]
        )
        number += size
    return folder


def put_content(source: Sequence[Example], to: Any) -> None:
    """Puts the ids and image digests of a source into a queue. It is here so that a spawned process imports little."""
    examples = [source[index] for index in range(len(source))]
    to.put(([example.id for example in examples], [example.image.digest for example in examples]))
