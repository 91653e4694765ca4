"""One server and one browser for all tests of the page."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium")


def free_port() -> int:
    """Returns a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def headed_run(tmp_path_factory, tiny_language, tiny_vision, feature_home) -> Path:
    """Folder of a finished run with an embedding head. Tests only read it."""
    from running import WITH_EMBEDDING_HEAD, Runs

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("headed_run"))
        assert Runs(tiny_language, tiny_vision)("fit", *WITH_EMBEDDING_HEAD, name="headed") == 0
        return Path("runs/headed").absolute()


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Path:
    """Folder of five pictures."""
    from frozenvl.data.sources.scenes import SceneCaptions

    folder = tmp_path_factory.mktemp("photos")
    source = SceneCaptions("val", 5, resolution=64)
    for index in range(5):
        source[index].image.read().save(folder / f"{index}.png")
    return folder


@pytest.fixture(scope="session")
def address(tiny_run, headed_run, photos) -> Iterator[str]:
    """Address of a page of two runs, with a folder of images."""
    pytest.importorskip("gradio", reason="the page needs Gradio: pip install 'frozenvl[serve]'")
    from frozenvl.serve.server import served

    with served([tiny_run, headed_run], photos, port=free_port()) as address:
        yield address


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """A real Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install --no-install-recommends chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def visit(address, chromium) -> Iterator[object]:
    """A desktop's page that most tests share: they fill in what they need."""
    from visits import Visit

    context = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield Visit(context.new_page(), address)
    context.close()
