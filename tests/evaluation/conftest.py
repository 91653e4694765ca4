"""What tests of evaluation share."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def tiny_trained(tiny_run):
    """The model of a finished tiny run."""
    from frozenvl.trained import load_trained

    return load_trained(tiny_run)
