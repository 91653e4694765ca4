"""Folders of image files."""

from __future__ import annotations

from pathlib import Path

from frozenvl.util.errors import UserError


def image_folder(folder: Path) -> Path:
    """Returns the folder. Raises `UserError` if it does not exist."""
    if folder.is_file():
        from frozenvl.data.detect import hint

        raise UserError(f"{folder}: a file, not an image folder; {hint(folder)}")
    if not folder.is_dir():
        raise UserError(f"{folder}: no such image folder; name the data's folder with --data.root")
    return folder
