"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def few_threads():
    """Tiny tensors: threads only cost, and the summation order is the same everywhere."""
    import torch

    torch.set_num_threads(1)


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
    """The folder of real data."""
    folder = os.environ.get("FROZENVL_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("FROZENVL_DATA names no folder of real data")
    return Path(folder)
