"""A trained run, loaded from its folder."""

from __future__ import annotations

import shutil

import pytest
import yaml

from frozenvl.training.datamodule import FrozenData
from frozenvl.training.module import FrozenModule
from frozenvl.training.trained_run import from_config, load_trained, read_config, run_sampling
from frozenvl.util.errors import UserError
from frozenvl.video import Sampling


def test_a_checkpoint_needs_the_configuration_of_its_run(tiny_run, tmp_path):
    shutil.copytree(tiny_run / "checkpoints", tmp_path / "moved" / "checkpoints")
    with pytest.raises(UserError, match=r"moved/config\.yaml: no such file"):
        load_trained(tmp_path / "moved")
    with pytest.raises(UserError, match="no such checkpoint"):
        load_trained(tmp_path)


@pytest.mark.parametrize(
    ("block", "kind", "key"),
    [
        ("model", FrozenModule, "precision"),
        ("data", FrozenData, "overlap"),
        ("data", FrozenData, "val.vqa.weight"),
    ],
)
def test_a_null_in_the_configuration_of_a_run_is_refused(tiny_run, tmp_path, block, kind, key):
    config = yaml.safe_load((tiny_run / "config.yaml").read_text())
    *path, last = key.split(".")
    part = config[block]
    for name in path:
        part = part[name]
    part[last] = None
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UserError) as error:
        from_config(tmp_path, block, kind, {})
    assert str(error.value).startswith(
        f"{tmp_path}/config.yaml: {block}.{key} is null (its value is missing)"
    )


def test_a_literal_interpolation_is_read_from_the_configuration_of_a_run(tmp_path):
    (tmp_path / "config.yaml").write_text(r"model: {language: '\${a}', k: 1, other: '\\\${b} $c'}")
    assert read_config(tmp_path) == {"model": {"language": "${a}", "k": 1, "other": r"\${b} $c"}}


def test_the_sampling_of_a_run_is_that_of_its_videos(tiny_run, tmp_path):
    assert run_sampling(tiny_run) == run_sampling(tmp_path / "nowhere") == Sampling()
    task = lambda **settings: {"source": {"class_path": "x.Clips", "init_args": settings}}
    config = {
        "data": {
            "train": {"a": task(folder="x", sampling="random", frames=4, fps=None)},
            "val": {"b": task()},
        }
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    assert run_sampling(tmp_path) == Sampling("random", 4)
    config["data"]["val"]["b"] = task(sampling="fps", frames=16, fps=2.0)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    assert (
        run_sampling(tmp_path)
        == run_sampling(tmp_path / "checkpoints" / "last.ckpt")
        == Sampling("fps", 16, 2.0)
    )
