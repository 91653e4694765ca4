"""Fixture for tests of training: quick fits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fast_fit import FastFits


@pytest.fixture(scope="module")
def fits(tiny_language, tiny_vision, feature_home) -> Iterator[FastFits]:
    """Fits of the tiny models. They neither measure the processor nor draw curves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("frozenvl.training.callbacks.throughput.matrix_peak", lambda *_: 1e9)
        patch.setattr("frozenvl.training.callbacks.history.draw_curve", lambda _: None)
        yield FastFits(tiny_language, tiny_vision)
