"""Fixtures of the drills."""

from __future__ import annotations

import pytest
from running import Runs


@pytest.fixture(scope="module")
def drilled(tmp_path_factory, tiny_language, tiny_vision, feature_home):
    """The command in a folder that the drills of a file share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("drilled"))
        yield Runs(tiny_language, tiny_vision)
