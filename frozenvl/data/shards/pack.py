"""Any source as WebDataset tars that any reader of these reads, with an index."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import PIL.Image
from filelock import FileLock, Timeout

from frozenvl.data.shards.contents import in_order, original
from frozenvl.data.shards.files import INDEX
from frozenvl.data.shards.index import TarIndex, build_index
from frozenvl.data.shards.record import as_record
from frozenvl.data.shards.scan import SUFFIXES
from frozenvl.data.shards.store import ShardStore
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example
from frozenvl.util.errors import UnreadableImage, UserError
from frozenvl.util.files import read_json, whole_file

STATE = "pack.json"
"""What is being packed, and what of it is done."""
PROBES = 64
"""Examples that tell one source from another."""


@dataclass
class Packing:
    """What `pack.json` holds."""

    source: str
    """Digest of what is packed."""
    examples: int
    samples_per_shard: int | None
    shard_bytes: int | None
    shards: list[dict[str, Any]] = field(default_factory=list)
    """Those that are done: name, sha256, `stop` (the first example that is not in it)."""
    left_out: list[str] = field(default_factory=list)
    """Numbers of examples whose image could not be had, with the reason."""


def pack(
    source: Source,
    folder: Path,
    samples_per_shard: int | None = 1000,
    shard_bytes: int | None = None,
    skip_bad: bool = False,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Packing:
    """Writes a source into a folder. Images that are files go in as they are, others as PNG; nothing is decoded.

    A pack that was interrupted goes on. Shards appear whole or not at all, and are the same each time.

    Args:
        source: what is packed.
        folder: where to; new, empty, or of a pack of the same.
        samples_per_shard: how many samples a shard holds.
        shard_bytes: size at which a shard is closed, in place of that.
        skip_bad: examples whose image cannot be had are left out and listed.
        report: told the numbers (done, total) of examples.

    Raises:
        UnreadableImage: an image cannot be had, and `skip_bad` is not set.
        UserError: the folder holds something else, or the source is empty.
        RunError: it cannot be written.
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
    state = _begun(folder, Packing(_digest(source), len(source), *limits))
    start = state.shards[-1]["stop"] if state.shards else 0
    members = in_order(partial(_members, source, skip_bad), range(start, len(source)))
    report(start, len(source))
    while start < len(source):
        name = f"{len(state.shards):06}.tar"
        missing: list[str] = []
        with whole_file(folder / name, one_writer=True) as file:
            hashed = _Hashed(file)
            start = _fill(hashed, members, start, len(source), limits, missing, report)
        state.shards.append({"name": name, "sha256": hashed.sha256.hexdigest(), "stop": start})
        state.left_out += missing
        _write(folder / STATE, state)
    urls = [str((folder / shard["name"]).absolute()) for shard in state.shards]
    checksums = [shard["sha256"] for shard in state.shards]
    if not _indexed(folder / INDEX, checksums):
        build_index(folder / INDEX, urls, ShardStore(urls), checksums)
    return state


def _fill(
    file: _Hashed,
    members: Iterator[_Members],
    start: int,
    stop: int,
    limits: tuple[int | None, int | None],
    missing: list[str],
    report: Callable[[int, int], None],
) -> int:
    """Writes a shard; returns the first example that is not in it."""
    samples, most_bytes = limits
    with tarfile.open(fileobj=file, mode="w|") as tar:  # type: ignore[call-overload]
        for number in range(start, stop):
            found = next(members)
            if isinstance(found, str):
                missing.append(found)
            else:
                for suffix, data in found.items():
                    member = tarfile.TarInfo(f"{number:09}.{suffix}")
                    member.size, member.mode = len(data), 0o644
                    tar.addfile(member, io.BytesIO(data))
            report(number + 1, stop)
            if number + 1 - start == samples or (most_bytes and tar.offset >= most_bytes):
                return number + 1
    return stop


_Members = dict[str, bytes] | str
"""Contents by suffix, or what is wrong with the image."""


def _members(source: Source, skip_bad: bool, number: int) -> _Members:
    try:
        example = source[number]  # a row that is none raises the same
        suffix, image = _image(example)
    except UnreadableImage as error:
        if not skip_bad:
            raise UnreadableImage(f"{error} (or leave such out with --skip-bad)") from None
        return f"{number}: {error}"
    first = example.targets[0] if example.targets else ""
    record = json.dumps({"key": f"{number:09}", "caption": first, "frozenvl": as_record(example)})
    texts = {"txt": first.encode("utf-8", "replace")} if first else {}
    return {suffix: image, **texts, "json": record.encode()}


def _image(example: Example) -> tuple[str, bytes]:
    """The content of an image member, with its suffix."""
    data = original(example.image)
    if data is None:
        drawn = io.BytesIO()
        example.image.read().save(drawn, "PNG")
        return "png", drawn.getvalue()
    suffix = example.image.name.rpartition(".")[2].lower()
    if suffix in SUFFIXES:
        return suffix, data
    try:
        with PIL.Image.open(io.BytesIO(data)) as image:
            known = (image.format or "").lower()
    except Exception:  # whatever it is, it is packed: `check` says what is wrong with it
        known = ""
    return known if known in SUFFIXES else "jpg", data


def _digest(source: Source) -> str:
    """Tells sources apart by their sizes and what a few examples say."""
    size = len(source)
    places = sorted({place * (size - 1) // (PROBES - 1) for place in range(PROBES)})
    said = [_said(source, place) for place in places]
    return hashlib.sha256(json.dumps([size, source.pairs, said]).encode()).hexdigest()[:32]


def _said(source: Source, place: int) -> dict[str, Any] | str:
    try:
        return as_record(source[place])
    except UnreadableImage as error:
        return str(error)


def _begun(folder: Path, new: Packing) -> Packing:
    """How far an earlier pack of the same into the folder came.

    Raises:
        UserError: the folder holds something else.
    """
    path = folder / STATE
    if not path.is_file():
        other = next((each.name for each in folder.iterdir() if not each.name.startswith(".")), None)
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
    gone = next((shard["name"] for shard in old.shards if not (folder / shard["name"]).is_file()), None)
    if gone:
        raise UserError(f"{folder}: its shard {gone} is gone; pack into a new folder")
    return old


def _write(path: Path, state: Packing) -> None:
    with whole_file(path, one_writer=True) as file:
        file.write((json.dumps(asdict(state), indent=1) + "\n").encode())


def _indexed(path: Path, checksums: list[str]) -> bool:
    try:
        return [shard.sha256 for shard in TarIndex(path).shards] == checksums
    except UserError:
        return False


class _Hashed:
    """A file that knows the digest of what was written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.sha256 = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self.file.write(data)
