"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path

from frozenvl.errors import RunError


def write_atomically(path: Path, data: bytes | str) -> None:
    """Writes beside the target, flushes to the disk, then renames over it.

    Raises:
        RunError: where it cannot be written (no space, no permission); what stood there before still stands.
    """
    raw = data.encode("utf-8") if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise cannot_write(path, error) from None


def cannot_write(path: Path, error: OSError) -> RunError:
    """The line for a failed write."""
    advice = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "check the folder"
    return RunError(f"{path}: cannot be written ({error.strerror}); {advice}")
