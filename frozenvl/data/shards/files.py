"""Which tars a name stands for, and where their index is."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from filelock import FileLock

from frozenvl.data.shards.index import Shard, TarIndex, build_index, file_name
from frozenvl.data.shards.store import ShardStore, is_local
from frozenvl.pretrained.zoo import home
from frozenvl.util.errors import UserError
from frozenvl.util.progress import progress_line

INDEX = "index.frozenvl"


def expand(shards: str | Sequence[str], storage_options: dict[str, Any] | None = None) -> list[str]:
    """The tars that a folder, a glob, a brace pattern (`cc3m-{0000..0575}.tar`) or a list of these stands for.

    Local ones become absolute paths; folders and globs are sorted by name.

    Raises:
        UserError: there are none, or one stands twice.
    """
    urls = []
    for pattern in [shards] if isinstance(shards, str) else shards:
        for each in _braces(pattern):
            urls += _listed(each.removeprefix("file://"), storage_options)
    if not urls:
        raise UserError(f"{shards}: no shards; give a folder of tars, a pattern or a list")
    if len(set(urls)) < len(urls):
        twice = next(url for url in urls if urls.count(url) > 1)
        raise UserError(f"{twice}: this shard is listed twice; remove one")
    return urls


def _braces(pattern: str) -> list[str]:
    match = re.search(r"\{([^{}]*)\}", pattern)
    if not match:
        return [pattern]
    bounds = re.fullmatch(r"(\d+)\.\.(\d+)", match[1])
    if bounds:
        first, last = int(bounds[1]), int(bounds[2])
        parts = [f"{number:0{len(bounds[1])}}" for number in range(first, last + 1)]
    else:
        parts = match[1].split(",")
    head, tail = pattern[: match.start()], pattern[match.end() :]
    return [head + part + rest for part in parts for rest in _braces(tail)]


def _listed(pattern: str, storage_options: dict[str, Any] | None) -> list[str]:
    """The tars of one folder or glob; a name without either as it is."""
    if not is_local(pattern):
        if file_name(pattern).endswith(".tar") and not glob.has_magic(pattern):
            return [pattern]
        from fsspec.core import url_to_fs

        try:
            system, path = url_to_fs(pattern, **(storage_options or {}))
            tars = path if glob.has_magic(path) else f"{path.rstrip('/')}/*.tar"
            return sorted(system.unstrip_protocol(found) for found in system.glob(tars))
        except Exception as error:  # whatever the store's client raises
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise UserError(f"{pattern}: cannot be listed ({reason}); name its shards as a pattern") from None
    path = Path(pattern).expanduser().absolute()
    if path.is_file():  # before globs: a bracket may stand in a name
        return [str(path)]
    if path.is_dir():
        found = sorted(str(tar) for tar in path.glob("*.tar"))
        if not found and (packed := next(chain(path.glob("*.tar.*"), path.glob("*.tgz")), None)):
            raise UserError(f"{packed}: compressed, but reading at random needs plain tars; unpack them")
        if not found:
            raise UserError(f"{path}: no .tar files in this folder")
        return found
    if glob.has_magic(str(path)):
        return sorted(map(str, Path(path.anchor).glob(str(path.relative_to(path.anchor)))))
    raise UserError(f"{path}: no such shard")


def open_index(urls: Sequence[str], path: Path | None, store: ShardStore) -> tuple[TarIndex, list[Shard]]:
    """The index of some tars and what it says of each; built on first use, by one process while others wait.

    Args:
        urls: of the tars.
        path: of the index; none: beside local tars that are the whole of a folder, else in the project's cache.
        store: that reads them, if they have to be.

    Raises:
        UserError: a given index does not fit the tars, or as `build_index` does.
    """
    if path and path.is_file():
        index = TarIndex(path)
        shards, misfit = _matched(index, urls)
        if misfit:
            raise UserError(
                f"{path}: {misfit}; make it again with `frozenvl data index SHARDS --index {path}`"
            )
        return index, shards
    places = [path] if path else default_places(urls)
    for place in places:
        if found := _fitting(place, urls):
            return found
    target = places[-1]
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f".{target.name}.lock")):
        if found := _fitting(target, urls):  # another process made it meanwhile
            return found
        with progress_line(f"indexing {len(urls)} shards, once") as report:
            index = build_index(target, urls, store, report=report, say=say)
    return index, _matched(index, urls)[0]


def say(line: str) -> None:
    print(f"frozenvl: warning: {line}", file=sys.stderr, flush=True)


def default_places(urls: Sequence[str]) -> list[Path]:
    """Where the index of some tars may be; at the last of these places it is made."""
    digest = hashlib.sha256("\n".join(urls).encode()).hexdigest()[:32]
    cached = home() / "indices" / f"{digest}.frozenvl"
    folders = {Path(url).parent for url in urls}
    if len(folders) > 1 or not all(map(is_local, urls)):
        return [cached]
    beside = folders.pop() / INDEX
    # An index beside serves a part of its folder, too, but is made for the whole only.
    whole = len(urls) == len(list(beside.parent.glob("*.tar")))
    return [cached, beside] if whole and os.access(beside.parent, os.W_OK) else [beside, cached]


def _fitting(path: Path, urls: Sequence[str]) -> tuple[TarIndex, list[Shard]] | None:
    """An index that is there and fits."""
    try:
        index = TarIndex(path)
    except UserError:
        return None
    shards, misfit = _matched(index, urls)
    return None if misfit else (index, shards)


def _matched(index: TarIndex, urls: Sequence[str]) -> tuple[list[Shard], str]:
    """What an index says of each tar, and why it does not fit them; empty where it does."""
    names = [file_name(url) for url in urls]
    known = {shard.name: shard for shard in index.shards}
    if names == [shard.name for shard in index.shards]:
        shards = list(index.shards)
    elif len(known) < len(index.shards) or len(set(names)) < len(names):
        return [], "made of other shards"
    else:
        missing = next((name for name in names if name not in known), None)
        if missing:
            return [], f"knows no shard {missing}"
        shards = [known[name] for name in names]
    for shard, url in zip(shards, urls, strict=True):
        if not is_local(url):
            continue
        try:
            found = Path(url).stat()
        except OSError as error:
            raise UserError(f"{url}: cannot be read ({error.strerror})") from None
        changed = shard.mtime_ns != found.st_mtime_ns and shard.sha256 is None  # a packed shard may be copied
        if shard.size != found.st_size or changed:
            return [], f"{shard.name} has changed since it was made"
    return shards, ""
