"""Resolves shard patterns to lists of tars, and finds or builds their index."""

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
from frozenvl.data.shards.keys import Keys, parse_keys
from frozenvl.data.shards.scan import no_tar_but_parquet
from frozenvl.data.shards.store import ShardStore, is_local
from frozenvl.pretrained.zoo import home
from frozenvl.util.errors import UserError
from frozenvl.util.progress import progress_line

INDEX = "index.frozenvl"
"""Name of an index file beside its tars."""


def expand(shards: str | Sequence[str], storage_options: dict[str, Any] | None = None) -> list[str]:
    """Lists the tars of a folder, a glob, a brace pattern (`cc3m-{0000..0575}.tar`), or a list of these.

    Local paths become absolute. Tars of a folder or glob are sorted by name.

    Raises:
        UserError: if there are none, one is listed twice, or they are compressed or Parquet files.
    """
    urls = []
    for pattern in [shards] if isinstance(shards, str) else shards:
        for url in _expand_braces(pattern):
            urls += _list(url.removeprefix("file://"), storage_options)
    if not urls:
        raise UserError(f"{shards}: no shards; give a folder of tars, a pattern or a list")
    if len(set(urls)) < len(urls):
        repeated = next(url for url in urls if urls.count(url) > 1)
        raise UserError(f"{repeated}: this shard is listed twice; remove one")
    return urls


def _expand_braces(pattern: str) -> list[str]:
    """Expands `{a,b}` and `{00..12}` in a pattern."""
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
    return [head + part + rest for part in parts for rest in _expand_braces(tail)]


def _list(pattern: str, storage_options: dict[str, Any] | None) -> list[str]:
    """Lists the tars of one folder or glob. The name of a single tar is returned as it is."""
    if file_name(pattern).endswith(".parquet"):
        raise no_tar_but_parquet(pattern)
    if not is_local(pattern):
        if file_name(pattern).endswith(".tar") and not glob.has_magic(pattern):
            return [pattern]
        from fsspec.core import url_to_fs

        try:
            system, path = url_to_fs(pattern, **(storage_options or {}))
            tar_glob = path if glob.has_magic(path) else f"{path.rstrip('/')}/*.tar"
            return sorted(system.unstrip_protocol(tar) for tar in system.glob(tar_glob))
        except Exception as error:  # clients of stores raise anything
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise UserError(f"{pattern}: cannot be listed ({reason}); name its shards as a pattern") from None
    path = Path(pattern).expanduser().absolute()
    if path.is_file():  # before globs: a name may contain a bracket
        return [str(path)]
    if path.is_dir():
        tars = sorted(str(tar) for tar in path.glob("*.tar"))
        if not tars and (compressed := next(chain(path.glob("*.tar.*"), path.glob("*.tgz")), None)):
            raise UserError(f"{compressed}: compressed, but reading at random needs plain tars; unpack them")
        if not tars:
            from frozenvl.data.detect import hint

            raise UserError(f"{path}: no .tar files in this folder; {hint(path)}")
        return tars
    if glob.has_magic(str(path)):
        return sorted(map(str, Path(path.anchor).glob(str(path.relative_to(path.anchor)))))
    raise UserError(f"{path}: no such shard")


def open_index(
    urls: Sequence[str], path: Path | None, store: ShardStore, keys: Keys
) -> tuple[TarIndex, list[Shard]]:
    """Opens the index of the tars. On first use one process builds it while others wait.

    Args:
        urls: paths or URLs of the tars.
        path: index file. None: beside the tars if they are all tars of one local folder, otherwise in the project's
            cache.
        store: store that reads the tars if the index has to be built.
        keys: names of images and texts. An index that was made with others is not used.

    Returns:
        The index, and its entry for each tar.

    Raises:
        UserError: if the index at `path` does not fit the tars, or for the reasons of `build_index`.
    """
    if path and path.is_file():
        index = TarIndex(path)
        shards, misfit = _matched(index, urls, keys)
        if misfit:
            named = "" if keys == parse_keys() else " with the same --image-key and --text-key"
            raise UserError(
                f"{path}: {misfit}; make it again with `frozenvl data index SHARDS --index {path}`{named}"
            )
        return index, shards
    places = [path] if path else default_places(urls, keys)
    for place in places:
        if opened := _open_fitting(place, urls, keys):
            return opened
    target = places[-1]
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f".{target.name}.lock")):
        if opened := _open_fitting(target, urls, keys):  # another process built it meanwhile
            return opened
        with progress_line("indexing, once", "shards") as report:
            index = build_index(target, urls, store, keys, report=report, say=say)
    return index, _matched(index, urls, keys)[0]


def say(line: str) -> None:
    """Prints a warning to stderr."""
    print(f"frozenvl: warning: {line}", file=sys.stderr, flush=True)


def default_places(urls: Sequence[str], keys: Keys) -> list[Path]:
    """Returns the paths at which the index of the tars is looked for. It is built at the last of them.

    Each choice of `keys` has an index of its own, so that two runs do not replace each other's.
    """
    others = "" if keys == parse_keys() else f"-{hashlib.sha256(str(keys).encode()).hexdigest()[:8]}"
    digest = hashlib.sha256("\n".join(urls).encode()).hexdigest()[:32]
    in_cache = home() / "indices" / f"{digest}{others}.frozenvl"
    folders = {Path(url).parent for url in urls}
    if len(folders) > 1 or not all(map(is_local, urls)):
        return [in_cache]
    beside = (folders.pop() / INDEX).with_stem(f"{Path(INDEX).stem}{others}")
    # An index beside the tars also serves a subset of the folder, but is only built for all of its tars.
    whole = len(urls) == len(list(beside.parent.glob("*.tar")))
    return [in_cache, beside] if whole and os.access(beside.parent, os.W_OK) else [beside, in_cache]


def _open_fitting(path: Path, urls: Sequence[str], keys: Keys) -> tuple[TarIndex, list[Shard]] | None:
    """Opens an index and matches it to the tars; None if there is none that fits."""
    try:
        index = TarIndex(path)
    except UserError:
        return None
    shards, misfit = _matched(index, urls, keys)
    return None if misfit else (index, shards)


def _matched(index: TarIndex, urls: Sequence[str], keys: Keys) -> tuple[list[Shard], str]:
    """Returns the index entry of each tar, and the reason why the index does not fit (empty if it does)."""
    names = [file_name(url) for url in urls]
    by_name = {shard.name: shard for shard in index.shards}
    if names == [shard.name for shard in index.shards]:
        shards = list(index.shards)
    elif len(by_name) < len(index.shards) or len(set(names)) < len(names):
        return [], "made of other shards"
    else:
        missing = next((name for name in names if name not in by_name), None)
        if missing:
            return [], f"knows no shard {missing}"
        shards = [by_name[name] for name in names]
    if not index.fits(keys, shards):
        return [], f"made with {index.keys}" if index.keys else "made by an earlier version of frozenvl"
    for shard, url in zip(shards, urls, strict=True):
        if not is_local(url):
            continue
        try:
            file = Path(url).stat()
        except OSError as error:
            raise UserError(f"{url}: cannot be read ({error.strerror})") from None
        changed = shard.mtime_ns != file.st_mtime_ns and shard.sha256 is None  # packed shards may be copied
        if shard.size != file.st_size or changed:
            return [], f"{shard.name} has changed since it was made"
    return shards, ""
