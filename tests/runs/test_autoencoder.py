"""An autoencoder from its training to captions: fit, resume, score, export, and as the frozen encoder of a run."""

from __future__ import annotations

import json
from pathlib import Path

import autoencoders
import pytest
import torch
from autoencoders import config_of, pixels, run
from running import checkpoint, history, same_weights, score

RECONSTRUCTION = {"class_path": "frozenvl.evaluation.Reconstruction", "init_args": {"task": "captions"}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_language, feature_home):
    """Configuration of a run `ae` in the current folder, which has trained an autoencoder."""
    config = config_of(tiny_language, {"trainable": True}, objectives=pixels())
    config["trainer"]["callbacks"].append(RECONSTRUCTION)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("autoencoder"))
        assert run("fit", config) == 0
        yield config


def test_the_loss_falls_and_pictures_are_scored(trained):
    losses = [row["train/pixels"] for row in history("ae") if "train/pixels" in row]
    assert losses[-1] < losses[0]
    found = score("ae", "reconstruction")
    assert found["samples"] == 5 and 0 < found["scores"]["PSNR"] < 40
    assert (Path("runs/ae/evaluation/reconstruction/gallery.png")).stat().st_size > 1000
    rows = Path("runs/ae/evaluation/reconstruction/predictions.jsonl").read_text().splitlines()
    assert all("picture" in json.loads(row) for row in rows)


def test_an_interrupted_run_resumes_exactly(trained):
    assert run("fit", trained, "--ckpt_path", "runs/ae/checkpoints/step=2.ckpt", name="again") == 0
    assert same_weights(checkpoint("ae"), checkpoint("again"))


def test_the_trained_autoencoder_serves_frozen(trained, tiny_language, capsys):
    weights = {"weights": str(Path("runs/ae").absolute())}
    config = config_of(tiny_language, weights)
    assert run("fit", config, name="captions") == 0
    kept = checkpoint("captions")
    assert not any("vision" in key for key in kept["state_dict"])
    before = kept["frozenvl"]["identity"]["vision_weights"]
    from frozenvl.model.frozen import FrozenVL
    from frozenvl.training.trained_run import load_trained

    vision = load_trained(Path("runs/captions")).module.model.vision
    own = checkpoint("ae")["state_dict"]["model.vision.model.encoder.conv_in.weight"]
    assert torch.equal(vision.model.encoder.conv_in.weight, own) and vision.fingerprint == before
    assert autoencoders.main(["export", "runs/captions", "export"]) == 0
    assert FrozenVL.from_pretrained("export").vision.fingerprint == before
    # Other weights are refused: the cached features and the mapper belong to these.
    other = config_of(tiny_language, {})
    capsys.readouterr()
    assert run("validate", other, "--ckpt_path", Path("runs/captions/checkpoints/last.ckpt"), name="v") == 2
    assert "was trained with vision" in capsys.readouterr().err


def test_the_export_of_an_autoencoder_holds_its_weights(trained, tiny_language):
    assert autoencoders.main(["export", "runs/ae", "exported"]) == 0
    made = autoencoders.autoencoder(weights="exported")
    assert made.fingerprint == autoencoders.autoencoder(weights="runs/ae").fingerprint
