"""Folders that are written whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from frozenvl.util.errors import UserError
from frozenvl.util.files import cannot_write

LOCK = ".lock"


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Context manager: yields a hidden folder beside `folder`, and renames it to `folder` at the end.

    If writing fails, nothing stays. What a killed process left is removed by the next one.

    Args:
        folder: a new or empty folder.

    Raises:
        UserError: if the folder is not empty, or another process is writing it.
        RunError: if it cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file, not a folder")
    if folder.is_dir() and (other := next(folder.iterdir(), None)):
        raise UserError(f"{folder}: is not empty (it holds {other.name}); name a new folder")
    folder = folder.absolute()
    if folder.exists() and folder.samefile(Path.cwd()):
        raise UserError(f"{folder}: is the current folder, which cannot be replaced; name a new folder")
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        if partial.is_dir() and next(partial.iterdir(), None) and not (partial / LOCK).is_file():
            raise UserError(f"{partial}: is in the way; remove it")
        partial.mkdir(parents=True, exist_ok=True)
        lock = FileLock(partial / LOCK, timeout=0)
        with lock:
            _clear(partial)
            try:
                yield partial
            except BaseException:
                _clear(partial)
                raise
            finally:
                (partial / LOCK).unlink(missing_ok=True)
            partial.replace(folder)
    except Timeout:
        raise UserError(f"{folder}: another process is writing it") from None
    except OSError as error:
        raise cannot_write(folder, error) from None
    finally:
        _remove_empty(partial)


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


def _remove_empty(folder: Path) -> None:
    if folder.is_dir() and not next(folder.iterdir(), None):
        folder.rmdir()
