"""WebDataset tars read at random by index: from img2dataset, cc3m-wds or `frozenvl data pack`."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

import numpy as np
import PIL.Image

from frozenvl.data.shards.files import expand, open_index
from frozenvl.data.shards.index import Shard, file_name
from frozenvl.data.shards.keys import (
    IMAGE_KEY,
    IMAGE_SUFFIXES,
    TEXT_KEY,
    VIDEO_KEY,
    parse_keys,
)
from frozenvl.data.shards.notes import Notes
from frozenvl.data.shards.record import from_record
from frozenvl.data.shards.rows import LINED, Form
from frozenvl.data.shards.store import ShardStore
from frozenvl.data.shards.texts import captions, decoded, in_json, parsed, why_no_text
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example, Image
from frozenvl.util.errors import UnreadableImage, UserError
from frozenvl.util.imaging import decode
from frozenvl.video.suffixes import VIDEO_SUFFIXES

Lines = Literal["joined", "captions"]
"""How a text of several lines is read: as one caption, or each line as a caption."""
HEAD = 16
"""Number of members that tell what a tar holds."""
NEAR = 16
"""Number of shards whose cumulative text counts are cached."""


@dataclass(frozen=True)
class TarImage(Image):
    """An image stored as a member of a tar."""

    name: str
    url: str
    """Path or URL of the tar."""
    offset: int
    size: int
    """Offset and size of the member, in bytes."""
    shard: int = field(compare=False)
    """Index of the tar in the store."""
    store: ShardStore = field(compare=False, repr=False)
    flaw: str = ""
    """Reason why the sample cannot be used; empty if it can."""

    def content(self) -> bytes:
        """Reads the bytes of the member.

        Raises:
            UnreadableImage: if the sample has no image or no text.
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
    """WebDataset tars, local or remote: each sample is an image and its caption in a text member or in `.json`.

    Tars without an index are read once to build it. A sample without image or text keeps its place as an unreadable
    image. A list of texts in `.json` is several captions. Tars of `frozenvl data pack` give the packed examples,
    whatever `text_key` says.

    Args:
        shards: folder, glob, brace pattern such as "s3://bucket/cc3m-train-{0000..0575}.tar", or a list of these.
        index: index file; by default beside the tars, or in the project's cache. It is made for one `image_key` and
            `text_key`.
        window: number of shards whose samples are mixed in training.
        cache_gb: disk space for cached remote shards, in GB.
        storage_options: fsspec options, such as {"anon": true}.
        image_key: names of the image, separated by `;`; the first that a sample has is used. `image` is the member
            `.image`, or `.image.jpg` with any suffix of an image format.
        text_key: names of the text, separated by `;`; the first that is not empty is used. `caption` is the member
            `.caption`, `.caption.txt` or `.caption.json`, or the value `caption` in the member `.json`.
        lines: how a text of several lines is read: "joined" as one caption, "captions" as one caption a line.

    Raises:
        UserError: if there are no shards, if one is empty, compressed, truncated, damaged, no tar, or has no member
            that is used, or if the index does not fit.
    """

    layout = "WebDataset tars of images"

    def __init__(
        self,
        shards: str | list[str],
        index: str | None = None,
        window: int = 4,
        cache_gb: float = 50,
        storage_options: dict[str, Any] | None = None,
        image_key: str = IMAGE_KEY,
        text_key: str = TEXT_KEY,
        lines: Lines = "joined",
    ) -> None:
        if window < 1:
            raise UserError(f"shards: window is {window}; it must be at least 1")
        if cache_gb <= 0:
            raise UserError(f"shards: cache_gb is {cache_gb}; it must be above 0")
        if lines not in get_args(Lines):
            raise UserError(f"shards: lines is {lines!r}; it must be one of {', '.join(get_args(Lines))}")
        keys = parse_keys(image_key, text_key)
        self.window, self.lines, self.text_names = window, lines, keys.text
        self.urls = expand(shards, storage_options)
        if image_key in (IMAGE_KEY, VIDEO_KEY):
            self._refuse_other_members(Path(self.urls[0]))
        max_bytes = int(cache_gb * 1e9)
        store = ShardStore(self.urls, max_bytes=max_bytes, storage_options=storage_options)
        path = Path(index).expanduser() if index else None
        self.index, self.shards = open_index(self.urls, path, store, keys)
        self.store = ShardStore(
            self.urls,
            sizes=[shard.size for shard in self.shards],
            checksums=[shard.sha256 for shard in self.shards],
            max_bytes=max_bytes,
            storage_options=storage_options,
        )
        self._names = _stems(self.urls)
        self._starts = np.cumsum([0, *(shard.rows for shard in self.shards)])
        self._pair_starts = np.cumsum([0, *map(self._pairs, self.shards)])
        self._text_ends: dict[int, np.ndarray] = {}

    @classmethod
    def reads(cls, path: Path) -> bool:
        return bool(kinds := kinds_in(path)) and kinds != {"video"}

    def _refuse_other_members(self, path: Path) -> None:
        """Raises `UserError` if a local tar begins with images where videos are read, or the reverse."""
        if {"image", "video"} & kinds_in(path) and not self.reads(path):
            from frozenvl.data.detect import hint

            raise UserError(f"{path}: has no {self.layout.rpartition(' ')[2]}; {hint(path)}")

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def pairs(self) -> int:
        return int(self._pair_starts[-1])

    @property
    def shard_sizes(self) -> Sequence[int]:
        return [self._pairs(shard) for shard in self.shards]

    @cached_property
    def notes(self) -> Counter[str]:
        """What was odd when the tars were indexed: note → count."""
        found = Notes()
        for shard in self.shards:
            found.merge(shard.notes, shard.names)
        return Counter(found.described())

    def prefetch(self, shards: Sequence[int]) -> None:
        self.index.release()  # otherwise the whole index is in memory after an epoch
        self.store.prefetch(shards)

    @cached_property
    def targets_per_example(self) -> int | Sequence[int]:  # type: ignore[override]
        if all(map(self._single, range(len(self.shards)))):
            return 1
        return np.concatenate([self._texts(shard) for shard in self.shards])  # type: ignore

    def _pairs(self, shard: Shard) -> int:
        """Returns the number of pairs of a shard."""
        return shard.pairs + (shard.extra_lines if self.lines == "captions" else 0)

    def _texts(self, shard: Shard) -> np.ndarray:
        """Returns the number of texts of each sample of a shard."""
        rows = self.index.rows(shard)
        if self.lines == "captions" or not shard.extra_lines:
            return rows["texts"]
        return np.where(np.isin(rows["form"], LINED), 1, rows["texts"])

    def _single(self, number: int) -> bool:
        """Tells whether all samples of a shard have exactly one text."""
        shard = self.shards[number]
        return shard.most_texts <= 1 and shard.rows == shard.pairs == self._pairs(shard)

    def lines_joined(self, index: int) -> int:
        """Returns the number of lines that are read as one caption, in the text of the sample at `index`."""
        number, row = self._place(index)
        shard = self.shards[number]
        if self.lines == "captions" or not shard.extra_lines:
            return 1
        found = self.index.rows(shard)[row]
        return int(found["texts"]) if found["form"] in LINED else 1

    def pair(self, index: int) -> tuple[int, int]:
        shard = int(np.searchsorted(self._pair_starts, index, side="right")) - 1
        pair = index - int(self._pair_starts[shard])
        if self._single(shard):
            return int(self._starts[shard]) + pair, 0
        ends = self._text_ends.get(shard)
        if ends is None:
            if len(self._text_ends) >= NEAR:
                self._text_ends.pop(next(iter(self._text_ends)))
            ends = self._text_ends[shard] = np.cumsum(self._texts(self.shards[shard]))
        row = int(np.searchsorted(ends, pair, side="right"))
        return int(self._starts[shard]) + row, pair - (int(ends[row - 1]) if row else 0)

    def image_ids(self) -> Sequence[str] | None:
        if not any(shard.coco for shard in self.shards):
            return None  # ids of other photographs are not shared with other sources
        numbers = (int(n) for shard in self.shards for n in self.index.rows(shard)["coco"])
        return [f"coco/{number}" if number else "" for number in numbers]

    def _place(self, index: int) -> tuple[int, int]:
        """Returns (number of the shard, row in it) of the sample at `index`."""
        shard = int(np.searchsorted(self._starts, index, side="right")) - 1
        return shard, index - int(self._starts[shard])

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < len(self):
            raise IndexError(f"shards: index {index} is not in 0 … {len(self) - 1}")
        shard, row = self._place(index)
        entry = self.shards[shard]
        offset, size, text_offset, text_size, _, _, coco, form, suffix = self.index.rows(entry)[row].item()
        key = f"{self._names[shard]}/{self.index.key(entry, row)}"
        image = TarImage(
            f"{key}.{entry.suffixes[suffix]}" if offset else key,
            self.urls[shard],
            offset,
            size,
            shard,
            self.store,
            "" if offset else "has no image member",
        )
        content = self.store.read(shard, text_offset, text_size) if text_size else b""
        if form == Form.PACKED:
            return from_record(json.loads(content)["frozenvl"], self.image(image))
        text: str | list[str] | None = None
        if form == Form.TEXT:
            text = decoded(content)
        elif form != Form.NONE:
            text = in_json(parsed(content), self.text_names)
        texts = captions(text, self.lines) if text else ()
        if not texts:
            flaw = "has an empty text" if form != Form.NONE else why_no_text(content, self.text_names)
            image = replace(image, flaw=flaw)
        photograph = f"coco/{coco}" if coco else key
        return Example(id=key, image=self.image(image), image_id=photograph, references=texts or ("",))

    def image(self, member: TarImage) -> Image:
        """Returns the image of a tar's member; a video, in `VideoShards`."""
        return member

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "targets_per_example"}


def kinds_in(path: Path) -> set[str]:
    """Returns what the first members of a tar hold, or of the first tar of a folder: "image", "video", "other"."""
    tars = sorted(path.glob("*.tar")) if path.is_dir() else [path] if path.suffix == ".tar" else []
    kinds: set[str] = set()
    if tars and tars[0].is_file():
        kinds.add("other")
        with suppress(tarfile.TarError, OSError, ValueError), tarfile.open(tars[0], "r:") as tar:
            suffixes = {PurePosixPath(member.name).suffix[1:].lower() for member in islice(tar, HEAD)}
            if suffixes & {*VIDEO_SUFFIXES}:
                kinds = {"video"}
            if suffixes & {*IMAGE_SUFFIXES}:
                kinds.add("image")
    return kinds


def _stems(urls: Sequence[str]) -> list[str]:
    """Returns the tars' names without `.tar`, with as few parent folders as make them unique."""
    parts = [PurePosixPath(url.partition("?")[0]).with_suffix("").parts for url in urls]
    for depth in range(1, max(map(len, parts)) + 1):
        stems = ["/".join(path[-depth:]) for path in parts]
        if len(set(stems)) == len(stems):
            return stems
    return [f"{file_name(url)}/{number}" for number, url in enumerate(urls)]
