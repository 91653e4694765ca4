"""Runs on precomputed features equal runs with the encoder that computed them."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from running import checkpoint, history, one_line, same_weights, score

from frozenvl.cli import main
from frozenvl.data.sources.scenes import SceneImage
from frozenvl.util.errors import UnreadableImage

EVALUATIONS = ("captions", "vqa-0shot", "vqa-2shot")
VISION = (
    *("--model.vision", "frozenvl.model.vision.Precomputed"),
    *("--model.vision.features", "features.npy", "--model.vision.names", "names.txt"),
)


@pytest.fixture
def features(frozenvl, tiny_run, monkeypatch):
    """Writes features with the program in the documentation."""
    Path("runs").mkdir()
    Path("runs/flickr8k").symlink_to(tiny_run)
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(code, {})


def texts(run: str | Path, evaluation: str) -> list[str]:
    file = Path("runs") / run / "evaluation" / evaluation / "predictions.jsonl"
    return [json.loads(line)["text"] for line in file.open()]


def test_a_fit_and_its_evaluations_are_the_same_without_images(frozenvl, features, monkeypatch):
    start = ("--model.mapper", "probes.SameStart")
    assert frozenvl("fit", *start, name="seen") == 0

    def gone(self, side=None):
        raise UnreadableImage(f"{self.name}: gone")

    monkeypatch.setattr(SceneImage, "read", gone)
    assert frozenvl("fit", *VISION, *start) == 0
    assert history("tiny") == history("seen")
    assert same_weights(checkpoint("tiny"), checkpoint("seen"))
    last = "runs/tiny/checkpoints/last.ckpt"
    assert frozenvl("validate", *VISION, *start, "--ckpt_path", last, name="again") == 0
    for evaluation in EVALUATIONS:
        assert texts("tiny", evaluation) == texts("again", evaluation) == texts("seen", evaluation)
        assert score("again", evaluation)["scores"] == score("seen", evaluation)["scores"]
        assert score("again", evaluation)["unreadable"] == 0
    assert score("again", "captions")["provenance"]["model"]["vision"] == "features.npy"


def test_an_image_without_features_is_counted(frozenvl, features):
    names = Path("names.txt").read_text().split("\n")
    held = next(row for row, name in enumerate(names) if "val" in name)
    names[held] = names[0] = "-"
    names[0] = "--"
    Path("names.txt").write_text("\n".join(names))
    assert frozenvl("fit", *VISION, "--trainer.max_steps", 3) == 0
    report = json.loads(Path("runs/tiny/data_report.json").read_text())
    assert "has no features of that name" in report["training"][0]["reason"]
    assert report["validation"] and score("tiny", "captions")["unreadable"] == 1


def test_a_checkpoint_refuses_other_features(frozenvl, features, capfd):
    assert frozenvl("fit", *VISION, "--trainer.max_steps", 2, "--trainer.limit_val_batches", 0) == 0
    Path("names.txt").write_text(Path("names.txt").read_text().replace("val", "test"))
    assert frozenvl("validate", *VISION, "--ckpt_path", "runs/tiny/checkpoints/last.ckpt") == 2
    assert "was trained with vision = features.npy" in one_line(capfd.readouterr().err)


def test_a_run_on_precomputed_features_cannot_be_exported(frozenvl, features, capfd):
    assert frozenvl("fit", *VISION, "--trainer.max_steps", 2, "--trainer.limit_val_batches", 0) == 0
    Path("exported").mkdir()
    Path("exported/README.md").write_text("another model's card")
    assert main(["export", "runs/tiny", "exported", "--overwrite", "true"]) == 2
    assert "Precomputed was made with features" in one_line(capfd.readouterr().err)
    assert Path("exported/README.md").read_text() == "another model's card"


def test_captioning_other_images_needs_an_encoder(frozenvl, features, capfd, pictures):
    assert frozenvl("fit", *VISION, "--trainer.max_steps", 2, "--trainer.limit_val_batches", 0) == 0
    assert main(["caption", "runs/tiny", str(pictures)]) == 2
    line = one_line(capfd.readouterr().err)
    assert line.startswith("some.jpg: ") and "there is no encoder" in line


@pytest.fixture
def pictures(tmp_path):
    from PIL import Image

    Image.new("RGB", (20, 20), "red").save(tmp_path / "some.jpg")
    return tmp_path / "some.jpg"


def test_a_blind_run_needs_features_of_black(frozenvl, features, capfd):
    blind = (*VISION, "--data.blind", "true", "--trainer.max_steps", 3)
    assert frozenvl("fit", *blind) == 0
    assert len(set(texts("tiny", "captions"))) == 1
    Path("names.txt").write_text(Path("names.txt").read_text().replace("black", "white"))
    assert frozenvl("fit", *blind, name="other") == 2
    assert "has no row named 'black'" in one_line(capfd.readouterr().err)


def test_features_cannot_be_augmented(frozenvl, features, capfd):
    augmented = ("--data.augmentation", "torchvision.transforms.RandomHorizontalFlip")
    assert frozenvl("fit", *VISION, *augmented) == 2
    assert "data.augmentation changes pixels" in one_line(capfd.readouterr().err)


def test_an_image_whose_features_are_no_numbers_is_replaced_and_counted(frozenvl, features):
    names, rows = Path("names.txt").read_text().split("\n"), np.load("features.npy")
    held = next(row for row, name in enumerate(names) if "val" in name)
    rows[0, 0, 0], rows[held, 0, 1] = np.nan, np.inf
    np.save("features.npy", rows)
    assert frozenvl("fit", *VISION, "--trainer.max_steps", 3, "--data.max_unreadable", 1) == 0
    report = json.loads(Path("runs/tiny/data_report.json").read_text())
    assert "its features are no finite numbers" in report["training"][0]["reason"]
    assert report["validation"] and score("tiny", "captions")["unreadable"] == 1
    assert all(math.isfinite(row["train/loss"]) for row in history("tiny") if "train/loss" in row)
