"""Packs any source into standard WebDataset tars, with an index."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import PIL.Image
from filelock import FileLock, Timeout

from frozenvl.data.shards.contents import in_order, original
from frozenvl.data.shards.files import INDEX
from frozenvl.data.shards.index import TarIndex, build_index
from frozenvl.data.shards.keys import IMAGE_KEY, IMAGE_SUFFIXES, VIDEO_KEY, parse_keys
from frozenvl.data.shards.record import as_record
from frozenvl.data.shards.store import ShardStore
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example, ImageSequence
from frozenvl.util.errors import UnreadableImage, UserError
from frozenvl.util.files import read_json, whole_file
from frozenvl.video.suffixes import VIDEO_SUFFIXES

STATE = "pack.json"
"""Name of the state file, which records what is packed and the progress."""
PROBES = 64
"""Number of examples in the digest of a source."""


@dataclass
class Packing:
    """Content of `pack.json`."""

    source: str
    """Digest of the source."""
    examples: int
    """Number of examples in the source."""
    samples_per_shard: int | None
    shard_bytes: int | None
    shards: list[dict[str, Any]] = field(default_factory=list)
    """Finished shards: `name`, `sha256`, and `stop`, the number of the first example after the shard."""
    left_out: list[str] = field(default_factory=list)
    """Lines with the number of each example whose image is unreadable, and the reason."""


def pack(
    source: Source,
    folder: Path,
    samples_per_shard: int | None = 1000,
    shard_bytes: int | None = None,
    skip_bad: bool = False,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Packing:
    """Packs a source into a folder. Image files are copied byte by byte, other images are written as PNG.

    An interrupted pack is resumed. Shards are written atomically and are the same each time.

    Args:
        source: source to pack.
        folder: target folder: new, empty, or with an interrupted pack of the same source.
        samples_per_shard: number of samples in a shard.
        shard_bytes: size in bytes at which a shard is closed, instead of `samples_per_shard`.
        skip_bad: true to leave out and list examples whose image is unreadable.
        report: progress callback, called with the numbers (done, total) of examples.

    Raises:
        UnreadableImage: if an image is unreadable and `skip_bad` is false.
        UserError: if the folder holds something else, or the source is empty.
        RunError: if the folder cannot be written.
    """
    if not len(source):
        raise UserError(f"{type(source).__name__}: is empty; there is nothing to pack")
    limits = (None, shard_bytes) if shard_bytes else (samples_per_shard, None)
    if min(limit for limit in limits if limit is not None) < 1:
        raise UserError("a shard must hold at least 1 sample or 1 MB")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".pack.lock", timeout=0):
            return _pack(source, folder, limits, skip_bad, report)
    except Timeout:
        raise UserError(f"{folder}: another process is packing into it") from None


def _pack(
    source: Source,
    folder: Path,
    limits: tuple[int | None, int | None],
    skip_bad: bool,
    report: Callable[[int, int], None],
) -> Packing:
    state = _load_or_start(folder, Packing(_digest(source), len(source), *limits))
    start = state.shards[-1]["stop"] if state.shards else 0
    members = in_order(partial(_members, source, skip_bad), range(start, len(source)))
    report(start, len(source))
    while start < len(source):
        name = f"{len(state.shards):06}.tar"
        missing: list[str] = []
        with whole_file(folder / name, one_writer=True) as file:
            hashed = _HashingFile(file)
            start = _fill(hashed, members, start, len(source), limits, missing, report)
        state.shards.append({"name": name, "sha256": hashed.sha256.hexdigest(), "stop": start})
        state.left_out += missing
        _write(folder / STATE, state)
    urls = [str((folder / shard["name"]).absolute()) for shard in state.shards]
    checksums = [shard["sha256"] for shard in state.shards]
    if not _has_index(folder / INDEX, checksums):
        keys = parse_keys(VIDEO_KEY if holds_videos(source) else IMAGE_KEY)
        build_index(folder / INDEX, urls, ShardStore(urls), keys, checksums)
    return state


def _fill(
    file: _HashingFile,
    members: Iterator[_Members],
    start: int,
    stop: int,
    limits: tuple[int | None, int | None],
    missing: list[str],
    report: Callable[[int, int], None],
) -> int:
    """Writes a shard; returns the number of the first example after it."""
    max_samples, max_bytes = limits
    with tarfile.open(fileobj=file, mode="w|") as tar:  # type: ignore[call-overload]
        for number in range(start, stop):
            sample = next(members)
            if isinstance(sample, str):
                missing.append(sample)
            else:
                for suffix, data in sample.items():
                    member = tarfile.TarInfo(f"{number:09}.{suffix}")
                    member.size, member.mode = len(data), 0o644
                    tar.addfile(member, io.BytesIO(data))
            report(number + 1, stop)
            if number + 1 - start == max_samples or (max_bytes and tar.offset >= max_bytes):
                return number + 1
    return stop


_Members = dict[str, bytes] | str
"""Sample as suffix → content, or a line that says why its image is unreadable."""


def _members(source: Source, skip_bad: bool, number: int) -> _Members:
    try:
        example = source[number]  # an invalid row raises UnreadableImage too
        suffix, image = encoded(example)
    except UnreadableImage as error:
        if not skip_bad:
            raise UnreadableImage(f"{error} (or leave such out with --skip-bad)") from None
        return f"{number}: {error}"
    caption = example.targets[0] if example.targets else ""
    record = json.dumps({"key": f"{number:09}", "caption": caption, "frozenvl": as_record(example)})
    texts = {"txt": caption.encode("utf-8", "replace")} if caption else {}
    return {suffix: image, **texts, "json": record.encode()}


def holds_videos(source: Source) -> bool:
    """Tells whether the first example of a source that can be read has a video."""
    for index in range(len(source)):
        with suppress(UnreadableImage):
            return isinstance(source[index].image, ImageSequence)
    return False


def encoded(example: Example) -> tuple[str, bytes]:
    """Returns the suffix and the encoded bytes of an image or a video: the original ones, or else a PNG.

    Raises:
        UserError: if a video is a list of images.
    """
    data = original(example.image)
    if isinstance(example.image, ImageSequence):
        suffix = example.image.name.rpartition(".")[2].lower()
        if data is None:
            raise UserError(
                f"example {example.id}: a video of several images has no file to copy; write its frames as a clip first"
            )
        return suffix if suffix in VIDEO_SUFFIXES else "mp4", data
    if data is None:
        png = io.BytesIO()
        example.image.read().save(png, "PNG")
        return "png", png.getvalue()
    suffix = example.image.name.rpartition(".")[2].lower()
    if suffix in IMAGE_SUFFIXES:
        return suffix, data
    try:
        with PIL.Image.open(io.BytesIO(data)) as image:
            detected = {"JPEG2000": "jp2"}.get(image.format or "", (image.format or "").lower())
    except Exception:  # packed all the same: `check` reports what is wrong with it
        detected = ""
    return detected if detected in IMAGE_SUFFIXES else "jpg", data


def _digest(source: Source) -> str:
    """Hashes the size of a source and the records of a few examples."""
    size = len(source)
    indices = sorted({probe * (size - 1) // (PROBES - 1) for probe in range(PROBES)})
    records = [_record_or_error(source, index) for index in indices]
    return hashlib.sha256(json.dumps([size, source.pairs, records]).encode()).hexdigest()[:32]


def _record_or_error(source: Source, index: int) -> dict[str, Any] | str:
    try:
        return as_record(source[index])
    except UnreadableImage as error:
        return str(error)


def _load_or_start(folder: Path, new: Packing) -> Packing:
    """Returns the state of an earlier pack of the same source in the folder, or writes and returns the new state.

    Raises:
        UserError: if the folder holds something else.
    """
    path = folder / STATE
    if not path.is_file():
        other = next((file.name for file in folder.iterdir() if not file.name.startswith(".")), None)
        if other:
            raise UserError(f"{folder}: is not empty (it holds {other}); pack into a new folder")
        _write(path, new)
        return new
    try:
        old = Packing(**read_json(path))
        same = (old.source, old.samples_per_shard, old.shard_bytes) == (
            new.source,
            new.samples_per_shard,
            new.shard_bytes,
        )
    except TypeError:
        raise UserError(f"{path}: not what a pack writes; pack into a new folder") from None
    if not same:
        raise UserError(f"{folder}: holds a pack of other data or in other shards; pack into a new folder")
    missing = next((shard["name"] for shard in old.shards if not (folder / shard["name"]).is_file()), None)
    if missing:
        raise UserError(f"{folder}: its shard {missing} is gone; pack into a new folder")
    return old


def _write(path: Path, state: Packing) -> None:
    with whole_file(path, one_writer=True) as file:
        file.write((json.dumps(asdict(state), indent=1) + "\n").encode())


def _has_index(path: Path, checksums: list[str]) -> bool:
    """Tells whether there is an index of shards with these checksums."""
    try:
        return [shard.sha256 for shard in TarIndex(path).shards] == checksums
    except UserError:
        return False


class _HashingFile:
    """A file that hashes what is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.sha256 = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self.file.write(data)
