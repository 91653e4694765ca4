"""Cache of annotation files as tables: a large file is parsed once, and mapped by every process and later run."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock

from frozenvl.data.arrow.row_table import Fields, RowTable, write_rows
from frozenvl.pretrained.zoo import home
from frozenvl.util.errors import RunError
from frozenvl.util.file_digests import content_hash
from frozenvl.util.files import whole_file

MIN_BYTES = 16 << 20
"""Total size of annotation files from which their table is kept. Parsing smaller ones takes about a second."""
READERS = Path(__file__).parent.parent
"""Folder of the modules that read annotation files."""
UNUSED_DAYS = 30
"""Tables that nobody has opened for so long are removed when another one is written."""


def kept_table(
    reader: type,
    path: Path,
    row: type,
    options: Mapping[str, Any],
    read: Callable[[dict[str, int]], Iterable[tuple[Any, ...]]],
) -> RowTable | None:
    """Returns the rows of a large annotation file from the cache, where they are written the first time.

    The table is found by the content of the file and of other files among the options, the other options, and the code
    of this package's readers. Of several processes, one parses the file and the others wait for it.

    Args:
        reader: source that reads the file.
        path: annotation file.
        row: class of the rows, a NamedTuple.
        options: options of the reader.
        read: parses the file: puts notes into a dictionary and yields the rows.

    Returns:
        The rows; None if no table is kept: the files are small, the source is not one of this package, its options or
        rows are more than plain values, or the cache cannot be written. The last is said on stderr.

    Raises:
        UserError: if the file has records that cannot be used.
    """
    if (key := _key(reader, path, options)) is None:
        return None
    place, fields = home() / "tables" / f"{key}.arrow", Fields.of(row)
    if table := _mapped(place, fields):
        return table
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with _lock(place):
            if table := _mapped(place, fields):  # another process wrote it meanwhile
                return table
            print(
                f"frozenvl: reads {path} once; later it is mapped from {place.parent}",
                file=sys.stderr,
                flush=True,
            )
            notes: dict[str, int] = {}
            with whole_file(place) as file:
                write_rows(file, read(notes), fields, notes)
            _remove_unused(place.parent)
            return _mapped(place, fields)
    except (ValueError, TypeError):  # a text that is not Unicode, or rows of another kind
        return None
    except (OSError, RunError) as error:
        reason = getattr(error, "strerror", None) or error
        print(
            f"frozenvl: warning: {place.parent} cannot be written ({reason}), so every process parses {path} again; "
            "FROZENVL_HOME names another cache folder",
            file=sys.stderr,
            flush=True,
        )
        return None


def _key(reader: type, path: Path, options: Mapping[str, Any]) -> str | None:
    """Returns the name of a table; None if none is kept."""
    if not reader.__module__.startswith("frozenvl.") or "content" in options:
        return None
    files = {"": path} | {name: Path(value) for name, value in options.items() if _is_file(value)}
    try:
        if sum(file.stat().st_size for file in files.values()) < MIN_BYTES:
            return None
        hashes = {name: content_hash(file) for name, file in files.items()}
        others = {name: value for name, value in options.items() if name not in files}
        facts = [reader.__module__, reader.__qualname__, path.name, hashes, others, _code()]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
    except (OSError, TypeError, ValueError):  # unreadable files are reported by their reader
        return None


def _is_file(value: Any) -> bool:
    try:
        return isinstance(value, str) and Path(value).is_file()
    except OSError:  # a long text is no file name
        return False


@cache
def _code() -> str:
    """Returns a hash of the modules that read annotation files: another version may read other rows."""
    digest = hashlib.sha256()
    for module in sorted(READERS.rglob("*.py")):
        digest.update(module.relative_to(READERS).as_posix().encode() + b"\0" + module.read_bytes())
    return digest.hexdigest()


def _mapped(place: Path, fields: Fields) -> RowTable | None:
    """Maps a table; None if there is none, or it is damaged."""
    try:
        table = RowTable(place, fields)
    except (OSError, ValueError):
        return None
    with suppress(OSError):
        place.touch()
    return table


def _remove_unused(folder: Path) -> None:
    for table in folder.glob("*.arrow"):
        with suppress(OSError):
            if time.time() - table.stat().st_mtime > UNUSED_DAYS * 86400:
                table.unlink()


@contextmanager
def _lock(place: Path) -> Iterator[None]:
    """Context manager: only one process writes a table. Without file locks, two may do the same work."""
    lock = FileLock(place.with_suffix(".lock"))
    with suppress(NotImplementedError):  # a file system without locks
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
