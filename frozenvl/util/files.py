"""Reading files with clear errors, and writing them atomically."""

from __future__ import annotations

import errno
import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from frozenvl.util.errors import RunError, UserError
from frozenvl.util.text_files import read_text


def write_atomically(path: Path, data: bytes | str) -> None:
    """Writes a file whole or not at all (see `whole_file`). Strings are encoded as UTF-8."""
    with whole_file(path) as file:
        file.write(data.encode("utf-8") if isinstance(data, str) else data)


def write_once(path: Path, data: str) -> bool:
    """Writes a file atomically unless it exists. Returns whether it did: True in only one of several processes."""
    written = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.new")
    write_atomically(written, data)
    try:
        path.hardlink_to(written)
    except FileExistsError:
        return False
    finally:
        written.unlink()
    return True


@contextmanager
def whole_file(path: Path, one_writer: bool = False) -> Iterator[BinaryIO]:
    """Context manager for atomic writes: yields a temporary file, then flushes it to disk and renames it to `path`.

    Args:
        path: file to write. If writing fails, its old content stays.
        one_writer: whether only one process writes this file. The temporary file then has a fixed name, so the next
            write replaces the one that a killed process left.

    Raises:
        RunError: if the file cannot be written (no space, no permission).
    """
    temporary = path.with_name(f".{path.name}{'' if one_writer else '.' + uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise cannot_write(path, error) from None
        raise


def cannot_write(path: Path, error: OSError) -> RunError:
    """Returns the error for a failed write."""
    advice = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "check the folder"
    return RunError(f"{path}: cannot be written ({error.strerror}); {advice}")


def as_line(row: Any) -> str:
    """Returns a row as a line of JSON Lines, with other Unicode line breaks (such as U+2028) escaped."""
    text = json.dumps(row, ensure_ascii=False)
    if len(text.splitlines()) > 1:
        text = json.dumps(row)
    return text + "\n"


def read_lines(path: Path) -> Iterator[Any]:
    """Yields the objects of a JSON Lines file up to the first invalid line, which a killed process may have cut off."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    for line in text.split("\n"):
        try:
            yield json.loads(line)
        except ValueError:
            return


def read_json(path: Path, each_object: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Reads a JSON file, or a JSON Lines file as a list. Their encodings are those of `read_text`.

    A file is JSON Lines if it is named `.jsonl`, or if it holds several JSON values, one in each line.

    Args:
        path: the file.
        each_object: makes the value of each object from its (key, value) pairs; by default a dictionary.

    Raises:
        UserError: if the file is missing, unreadable or not valid JSON.
    """
    text = read_text(path)
    try:
        if ".jsonl" in path.suffixes:
            return _json_lines(text)
        return json.loads(text, object_pairs_hook=each_object)
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError) and error.msg == "Extra data":
            with suppress(ValueError):
                return _json_lines(text)
        raise UserError(f"{path}: not valid JSON ({error}); correct it, or download it again") from None
    except RecursionError:
        raise UserError(f"{path}: not valid JSON (nested too deeply); check the file") from None


def _json_lines(text: str) -> list[Any]:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None
    return rows
