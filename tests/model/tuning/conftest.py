"""Tuned models that the tests of tuning share."""

import pytest
from tuned import MAKE, away_from_its_start


@pytest.fixture
def made(build, processor_of):
    def make(name: str, kind: str = "llama"):
        model = build(kind, tuning=MAKE[name]())
        away_from_its_start(model)
        return model, processor_of(model)

    return make
