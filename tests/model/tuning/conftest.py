"""Fixture for tests of tuning: tuned models."""

import pytest
from tuned import MAKE, perturb


@pytest.fixture
def made(build, processor_of):
    def make(name: str, kind: str = "llama"):
        model = build(kind, tuning=MAKE[name]())
        perturb(model)
        return model, processor_of(model)

    return make
