"""A trained run, loaded from its folder."""

from __future__ import annotations

import shutil

import pytest

from frozenvl.training.trained_run import load_trained
from frozenvl.util.errors import UserError


def test_a_checkpoint_needs_the_configuration_of_its_run(tiny_run, tmp_path):
    shutil.copytree(tiny_run / "checkpoints", tmp_path / "moved" / "checkpoints")
    with pytest.raises(UserError, match=r"moved/config\.yaml: no such file"):
        load_trained(tmp_path / "moved")
    with pytest.raises(UserError, match="no such checkpoint"):
        load_trained(tmp_path)
