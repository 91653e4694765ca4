"""Test data of `data.py`: photograph-like JPEGs in tars and in files, and an index of millions of samples."""

from __future__ import annotations

import io
import json
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image

from frozenvl.data.shards.files import INDEX
from frozenvl.data.shards.index import Shard, end_of_index, whole_file
from frozenvl.data.shards.keys import parse_keys
from frozenvl.data.shards.rows import ROW, Form

LARGE = ((1152, 864), (1280, 960), (1600, 1200), (960, 1280), (1200, 1600), (1440, 1080), (1632, 1088))
"""Image sizes of 1 to 2 megapixels, (width, height)."""
SMALL = ((256, 192), (256, 171), (192, 256), (256, 256))
"""Image sizes of CC3M as img2dataset usually stores it, (width, height)."""


@dataclass
class Material:
    """Images in tars of img2dataset's layout and as files.

    Args:
        folder: folder for the tars and files.
        sizes: image sizes, (width, height).
        distinct: number of different images; shards repeat them.
        shards: number of tars.
        samples: number of samples in each tar.
    """

    folder: Path
    sizes: tuple[tuple[int, int], ...]
    distinct: int
    shards: int
    samples: int

    def __post_init__(self) -> None:
        self.contents = [
            jpeg(self.sizes[number % len(self.sizes)], number) for number in range(self.distinct)
        ]
        self.folder.mkdir()
        self.urls = [str(self.folder / f"{shard:05}.tar") for shard in range(self.shards)]
        for shard, url in enumerate(self.urls):
            with tarfile.open(url, "w") as tar:
                for place in range(self.samples):
                    number = shard * self.samples + place
                    key, caption = f"{shard:05}{place:04}", f"a photograph of the number {number} on a wall"
                    add(tar, f"{key}.jpg", self.contents[number % self.distinct])
                    add(tar, f"{key}.txt", caption.encode())
                    add(tar, f"{key}.json", json.dumps({"caption": caption, "key": key}).encode())

    def files(self) -> Path:
        """Writes the images as files in the layout of torchvision's `ImageFolder`; returns the folder."""
        folder = self.folder / "files" / "all"
        folder.mkdir(parents=True)
        for number in range(self.shards * self.samples):
            path = folder / f"{number:06}.jpg"
            if number < self.distinct:
                path.write_bytes(self.contents[number])
            else:
                os.link(folder / f"{number % self.distinct:06}.jpg", path)
        return folder.parent

    def __str__(self) -> str:
        megapixels = np.mean([width * height for width, height in self.sizes]) / 1e6
        kilobytes = np.mean([len(content) for content in self.contents]) / 1e3
        return f"{megapixels:.2g} megapixels, {kilobytes:.0f} kB"


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def jpeg(size: tuple[int, int], seed: int) -> bytes:
    """Makes a JPEG of quality 90 with noise at all scales, weaker at finer ones, as in photographs."""
    random, total = np.random.default_rng(seed), np.full((size[1], size[0], 3), 128, np.float32)
    for step, strength in ((256, 1.0), (64, 0.5), (16, 0.25), (4, 0.12), (1, 0.06)):
        noise = random.integers(0, 256, (size[1] // step + 2, size[0] // step + 2, 3), dtype=np.uint8)
        total += strength * (
            np.asarray(PIL.Image.fromarray(noise).resize(size, PIL.Image.Resampling.BICUBIC)) - 128.0
        )
    file = io.BytesIO()
    PIL.Image.fromarray(total.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def write_index(folder: Path, samples: int) -> None:
    """Writes the index of `samples` samples, and their tars as sparse files of the right size without content."""
    image_size, words_size, each = 25_000, 50, 5000
    folder.mkdir()
    rows = np.zeros(min(each, samples), ROW)
    rows["image"] = 512 + np.arange(len(rows), dtype=np.uint64) * 28_160
    rows["words"] = rows["image"] + 26_112
    rows["image_size"], rows["words_size"], rows["key_end"] = (
        image_size,
        words_size,
        9 * np.arange(1, len(rows) + 1),
    )
    rows["texts"], rows["form"] = 1, Form.TEXT
    size = int(rows["image"][-1]) + 28_160 + 1024
    shards = []
    with whole_file(folder / INDEX) as out:
        for number in range(-(-samples // each)):
            tar = folder / f"{number:05}.tar"
            with tar.open("wb") as hole:
                hole.truncate(size)
            keys = (number * each + np.arange(len(rows))).astype("S9")
            keys = np.char.zfill(keys, 9).tobytes()
            shards.append(
                Shard(
                    name=tar.name,
                    size=size,
                    mtime_ns=tar.stat().st_mtime_ns,
                    sha256=None,
                    rows=len(rows),
                    pairs=len(rows),
                    most_texts=1,
                    coco=0,
                    at=out.tell(),
                    key_bytes=len(keys),
                    notes={},
                )
            )
            out.write(rows.tobytes() + keys)
        out.write(end_of_index(shards, parse_keys()))
