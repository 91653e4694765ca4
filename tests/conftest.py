"""Fixtures for all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

# Tests are of the CPU. Where CUDA itself is asked for GPUs, though there be none, forked processes may not fork again.
os.environ |= {"CUDA_VISIBLE_DEVICES": "", "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
# Tiny tensors: threads only cost, in processes that tests start too, and one sums in the same order everywhere.
os.environ["OMP_NUM_THREADS"] = "1"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--matrix", action="store_true", help="writes the table of docs/language_models.md")


def pytest_configure(config: pytest.Config) -> None:
    from matrix import Matrix

    config.pluginmanager.register(Matrix(config.getoption("matrix")))


SLOWEST = ("tests/test_configs.py", "tests/runs/", "tests/sweep/test_worker.py")
"""Files that start first: otherwise one of two workers would run them alone at the end."""


NIGHTLY = Path(__file__).with_name("nightly.txt")
"""File with the ids of tests that take a second or more, beside quicker ones of their kind. They are `nightly`."""


@pytest.hookimpl(tryfirst=True)  # before `-m` deselects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow = set(NIGHTLY.read_text().splitlines())
    for item in items:
        if item.nodeid in slow:
            item.add_marker(pytest.mark.nightly)
    items.sort(key=lambda item: not item.nodeid.startswith(SLOWEST))


@pytest.fixture(scope="session", autouse=True)
def forks_allowed():
    import torch

    # If the first backward pass of a process follows `plan`'s fake tensors, autograd starts threads that forbid forks.
    torch.ones(1, requires_grad=True).sum().backward()


@pytest.fixture(autouse=True)
def same_signal_handlers():
    """Fails a test that leaves other signal handlers: processes forked later would inherit them, and never end."""
    numbers = signal.SIGTERM, signal.SIGINT, signal.SIGUSR1
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    left = [number.name for number in numbers if signal.getsignal(number) is not before[number]]
    for number, handler in before.items():
        signal.signal(number, handler)
    assert not left


@pytest.fixture(scope="session")
def tiny_language(tmp_path_factory) -> Path:
    from tiny import language_model

    return language_model(tmp_path_factory.mktemp("language"))


@pytest.fixture(scope="session")
def tiny_vision(tmp_path_factory) -> Path:
    from tiny import vision_model

    return vision_model(tmp_path_factory.mktemp("vision"))


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of real data sets."""
    folder = os.environ.get("FROZENVL_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("FROZENVL_DATA names no folder of real data")
    return Path(folder)


@pytest.fixture(scope="session")
def fetched() -> Callable[[str], Path]:
    """Function that returns the folder of a fetched model, or skips the test."""
    from frozenvl.pretrained.names import resolve
    from frozenvl.util.errors import UserError

    def find(name: str) -> Path:
        try:
            return Path(resolve(name))
        except UserError as error:
            pytest.skip(str(error))

    return find


@pytest.fixture(scope="session")
def feature_home(tmp_path_factory):
    """Home folder with a feature cache that the runs of a session share, and with the fetched models."""
    import lightning  # noqa: F401 - here, since its log would keep to the captured stderr of whichever test is first

    from frozenvl.pretrained.zoo import models

    home = tmp_path_factory.mktemp("home")
    if models().is_dir():
        (home / "models").symlink_to(models().absolute())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FROZENVL_HOME", str(home))
        yield


@pytest.fixture
def frozenvl(tmp_path, monkeypatch, tiny_language, tiny_vision, feature_home):
    """The command in an empty folder: `frozenvl("fit", "--model.k", 3, name="x", ranks=2)`."""
    from running import Runs

    monkeypatch.chdir(tmp_path)
    return Runs(tiny_language, tiny_vision)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, tiny_language, tiny_vision, feature_home) -> Path:
    """Folder of a finished run. Tests only read it."""
    from running import Runs

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("tiny_run"))
        assert Runs(tiny_language, tiny_vision)("fit") == 0
        return Path("runs/tiny").absolute()


@pytest.fixture(scope="module")
def drilled(tmp_path_factory, tiny_language, tiny_vision, feature_home):
    """The command in a folder that the tests of a file share."""
    from running import Runs

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("drilled"))
        yield Runs(tiny_language, tiny_vision)


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """Sweep in an empty folder whose runs are fake and take a moment."""
    from sweeping import Sweep

    monkeypatch.chdir(tmp_path)
    made = Sweep()
    yield made
    for worker in made.started:
        if worker.poll() is None:
            worker.kill()
            worker.wait()


@pytest.fixture
def arrow_cache(tmp_path, monkeypatch) -> Path:
    """Sets the cache of the library `datasets` to an empty folder; returns the folder."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "arrow_cache")
    return tmp_path / "arrow_cache"
