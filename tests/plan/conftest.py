"""Fixture for tests of planning: a plan of the tiny configuration."""

from __future__ import annotations

import pytest
from running import CONFIG

from frozenvl.plan.fit_spec import Planned
from frozenvl.training.command_line import configuration_parser


@pytest.fixture
def planned(frozenvl):
    def make(*options: str) -> Planned:
        return Planned(configuration_parser()(["--config", str(CONFIG), *frozenvl.models, *options]))

    return make
