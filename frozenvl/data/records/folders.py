"""Folders of image files."""

from __future__ import annotations

from pathlib import Path

from frozenvl.util.errors import UserError


def image_folder(folder: Path, kind: str = "an image") -> Path:
    """Returns the folder. Raises `UserError` if it does not exist.

    Args:
        folder: the folder.
        kind: what kind of folder it is, for messages.
    """
    if folder.is_file():
        from frozenvl.data.detect import hint

        raise UserError(f"{folder}: a file, not {kind} folder; {hint(folder)}")
    if not folder.is_dir():
        raise UserError(
            f"{folder}: no such {kind.split()[-1]} folder; name the data's folder with --data.root"
        )
    return folder
