"""WebDataset tars, read by index: img2dataset's, cc3m-wds, and those that `frozenvl data pack` writes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import PIL.Image

from frozenvl.data.shards.files import expand, open_index
from frozenvl.data.shards.index import file_name
from frozenvl.data.shards.record import from_record
from frozenvl.data.shards.scan import SUFFIXES, Form
from frozenvl.data.shards.store import ShardStore
from frozenvl.data.sources.records import one_line
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example, Image
from frozenvl.util.errors import UnreadableImage, UserError
from frozenvl.util.imaging import decode

NEAR = 16
"""Shards whose counts of texts are kept at hand."""


@dataclass(frozen=True)
class TarImage(Image):
    """An image that is a member of a tar."""

    name: str
    url: str
    """Of the tar."""
    offset: int
    size: int
    shard: int = field(compare=False)
    """Number of the tar in the store."""
    store: ShardStore = field(compare=False, repr=False)
    flaw: str = ""
    """Why its sample cannot be used."""

    def content(self) -> bytes:
        """The bytes of the member.

        Raises:
            UnreadableImage: its sample has no image, or no text.
        """
        if self.flaw:
            raise UnreadableImage(f"{self.name}: {self.flaw}")
        return self.store.read(self.shard, self.offset, self.size)

    def read(self, side: int | None = None) -> PIL.Image.Image:
        return decode(self.content(), self.name, side)

    @cached_property
    def digest(self) -> str:  # type: ignore[override]
        return hashlib.sha256(self.content()).hexdigest()[:32]


class Shards(Source):
    """Samples of WebDataset tars, local or remote: an image and a `.txt` or `.json` member with its caption.

    Tars made by others are read once through to be indexed. A sample without image or text stays in its place; its
    image is unreadable.

    Args:
        shards: a folder, a glob, a pattern such as "s3://bucket/cc3m-train-{0000..0575}.tar", or a list of these.
        index: file of the index; else beside the tars, or in the project's cache.
        window: how many shards are mixed in training.
        cache_gb: room for remote shards on this disk, in GB.
        storage_options: for fsspec, such as {"anon": true}.

    Raises:
        UserError: no shards; one is compressed, truncated, damaged or none; the index does not fit them.
    """

    def __init__(
        self,
        shards: str | list[str],
        index: str | None = None,
        window: int = 4,
        cache_gb: float = 50,
        storage_options: dict[str, Any] | None = None,
    ) -> None:
        if window < 1:
            raise UserError(f"shards: window is {window}; it must be at least 1")
        if cache_gb <= 0:
            raise UserError(f"shards: cache_gb is {cache_gb}; it must be above 0")
        self.window = window
        self.urls = expand(shards, storage_options)
        room = int(cache_gb * 1e9)
        store = ShardStore(self.urls, max_bytes=room, storage_options=storage_options)
        self.index, self.shards = open_index(self.urls, Path(index).expanduser() if index else None, store)
        self.store = ShardStore(
            self.urls,
            sizes=[shard.size for shard in self.shards],
            checksums=[shard.sha256 for shard in self.shards],
            max_bytes=room,
            storage_options=storage_options,
        )
        self._names = _stems(self.urls)
        self._starts = np.cumsum([0, *(shard.rows for shard in self.shards)])
        self._pair_starts = np.cumsum([0, *(shard.pairs for shard in self.shards)])
        self._ends_near: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def pairs(self) -> int:
        return int(self._pair_starts[-1])

    @property
    def shard_sizes(self) -> Sequence[int]:
        return [shard.pairs for shard in self.shards]

    def prefetch(self, shards: Sequence[int]) -> None:
        self.index.release()  # over an epoch, all of it would be read
        self.store.prefetch(shards)

    @cached_property
    def targets_per_example(self) -> int | Sequence[int]:  # type: ignore[override]
        if all(map(self._single, range(len(self.shards)))):
            return 1
        return np.concatenate([self.index.rows(shard)["texts"] for shard in self.shards])  # type: ignore

    def _single(self, shard: int) -> bool:
        """Whether all samples of a shard have one text."""
        return self.shards[shard].most_texts <= 1 and self.shards[shard].rows == self.shards[shard].pairs

    def pair(self, index: int) -> tuple[int, int]:
        shard = int(np.searchsorted(self._pair_starts, index, side="right")) - 1
        place = index - int(self._pair_starts[shard])
        if self._single(shard):
            return int(self._starts[shard]) + place, 0
        ends = self._ends_near.get(shard)
        if ends is None:
            if len(self._ends_near) >= NEAR:
                self._ends_near.pop(next(iter(self._ends_near)))
            ends = self._ends_near[shard] = np.cumsum(self.index.rows(self.shards[shard])["texts"])
        row = int(np.searchsorted(ends, place, side="right"))
        return int(self._starts[shard]) + row, place - (int(ends[row - 1]) if row else 0)

    def image_ids(self) -> Sequence[str] | None:
        if not any(shard.coco for shard in self.shards):
            return None  # then nothing is known that another source may know, too
        numbers = (int(n) for shard in self.shards for n in self.index.rows(shard)["coco"])
        return [f"coco/{number}" if number else "" for number in numbers]

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < len(self):
            raise IndexError(f"shards: index {index} is not in 0 … {len(self) - 1}")
        shard = int(np.searchsorted(self._starts, index, side="right")) - 1
        place = index - int(self._starts[shard])
        rows = self.index.rows(self.shards[shard])
        offset, size, words_at, words_size, _, _, coco, form, suffix = rows[place].item()
        key = f"{self._names[shard]}/{self.index.key(self.shards[shard], place)}"
        image = TarImage(
            f"{key}.{SUFFIXES[suffix]}" if offset else key,
            self.urls[shard],
            offset,
            size,
            shard,
            self.store,
            "" if offset else "has no image member",
        )
        words = b"" if form == Form.NONE else self.store.read(shard, words_at, words_size)
        if form == Form.PACKED:
            return from_record(json.loads(words)["frozenvl"], image)
        text = words.decode("utf-8", "replace")
        caption = one_line(json.loads(text)["caption"] if form == Form.CAPTION else text)
        if not caption:
            flaw = "has no text" if form == Form.NONE else "has an empty text"
            image = replace(image, flaw=flaw)
        photograph = f"coco/{coco}" if coco else key
        return Example(id=key, image=image, image_id=photograph, references=(caption,))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "targets_per_example"}


def _stems(urls: Sequence[str]) -> list[str]:
    """The names of the tars without `.tar`, with as many folders in front as it takes to tell them apart."""
    parts = [PurePosixPath(url.partition("?")[0]).with_suffix("").parts for url in urls]
    for depth in range(1, max(map(len, parts)) + 1):
        stems = ["/".join(each[-depth:]) for each in parts]
        if len(set(stems)) == len(stems):
            return stems
    return [f"{file_name(url)}/{number}" for number, url in enumerate(urls)]
