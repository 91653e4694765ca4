"""Fixtures for commands that take image files."""

from __future__ import annotations

from pathlib import Path

import pytest

from frozenvl.data.sources.scenes import SceneCaptions


@pytest.fixture
def pictures(tmp_path, monkeypatch) -> list[str]:
    """Image files of the scenes that the tiny run was validated on."""
    monkeypatch.chdir(tmp_path)
    source = SceneCaptions("val", 5, resolution=64)
    for index in range(5):
        source[index].image.read().save(f"{index}.png")
    return [f"{index}.png" for index in range(5)]


@pytest.fixture(scope="session")
def retrieval_run(tmp_path_factory, tiny_language, tiny_vision, feature_home) -> Path:
    """Folder of a finished run with an embedding head and a contrastive objective. Tests only read it."""
    from running import WITH_EMBEDDING_HEAD, Runs

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("retrieval_run"))
        assert Runs(tiny_language, tiny_vision)("fit", *WITH_EMBEDDING_HEAD) == 0
        return Path("runs/tiny").absolute()


@pytest.fixture(scope="session")
def retrieval_export(retrieval_run, tmp_path_factory) -> Path:
    """Folder of the exported run with an embedding head."""
    from frozenvl.cli import main

    folder = tmp_path_factory.mktemp("exports") / "retrieval"
    assert main(["export", str(retrieval_run), str(folder)]) == 0
    return folder
