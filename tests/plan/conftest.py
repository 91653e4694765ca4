"""Fixture for tests of planning: a plan of the tiny configuration."""

from __future__ import annotations

import pytest
from running import CONFIG

from frozenvl.plan.fit_spec import Planned
from frozenvl.training.parsing import configuration_parser


@pytest.fixture
def planned(frozenvl):
    def make(*options: str, **settings: int) -> Planned:
        arguments = ["--config", str(CONFIG), *frozenvl.models, *options]
        return Planned(configuration_parser()(arguments), **settings)

    return make
