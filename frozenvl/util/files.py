"""Files read with clear errors, and written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from frozenvl.util.errors import RunError, UserError


def write_atomically(path: Path, data: bytes | str) -> None:
    """Writes a file whole or not at all, as `whole_file` does."""
    with whole_file(path) as file:
        file.write(data.encode("utf-8") if isinstance(data, str) else data)


def write_once(path: Path, data: str) -> bool:
    """Writes a file whole, unless there is one; whether it did. Of several processes, one alone does."""
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
    """A file to write, beside the target; what was written is flushed to the disk, then renamed over it.

    Args:
        one_writer: whether no other process writes the same file: then what a killed one left is overwritten.

    Raises:
        RunError: where it cannot be written (no space, no permission); what stood there before still stands.
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
    """The line for a failed write."""
    advice = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "check the folder"
    return RunError(f"{path}: cannot be written ({error.strerror}); {advice}")


def as_line(row: Any) -> str:
    """One line of JSON Lines. Characters that Unicode takes for line ends are escaped."""
    text = json.dumps(row, ensure_ascii=False)
    if len(text.splitlines()) > 1:
        text = json.dumps(row)
    return text + "\n"


def read_lines(path: Path) -> Iterator[Any]:
    """The objects of a JSON Lines file, as far as it was written: a kill may have cut its last line off."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    for line in text.split("\n"):
        try:
            yield json.loads(line)
        except ValueError:
            return


def read_json(path: Path) -> Any:
    """The content of a JSON file, or of a JSON Lines file as a list.

    Raises:
        UserError: no such file, or not JSON.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    try:
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in text.split("\n") if line.strip()]
        return json.loads(text)
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error})") from None
