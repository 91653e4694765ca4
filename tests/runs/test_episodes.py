"""Whole runs that train on episodes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from running import CONFIG, add, history, one_line, score

SETTINGS = ("--trainer.max_steps", 8, "--trainer.val_check_interval", 4, "--config", "data.yaml")
SCENES = "frozenvl.data.sources.scenes"


def class_path_of(path: str, **arguments: object) -> dict:
    return {"class_path": path, "init_args": arguments}


@pytest.fixture
def written(frozenvl):
    """Writes `data.yaml` with captions, questions after demonstrations, and nonce words."""
    small = {"split": "train", "resolution": 64}
    question = {"query": "{image}Question: {question} Answer:", "target": " {target}"}
    train = {
        "captions": {"source": class_path_of(f"{SCENES}.SceneCaptions", size=8, **small)},
        "vqa": {
            "source": class_path_of(f"{SCENES}.SceneQuestions", size=24, **small),
            "template": question,
            "support": class_path_of("frozenvl.data.episodes.Shots", shots=[0, 3]),
            "weight": 2,
        },
        "names": {
            "source": class_path_of(f"{SCENES}.SceneObjects", size=180, **small),
            "template": {"query": "{image}This is a", "target": " {target}"},
            "support": class_path_of("frozenvl.data.episodes.NewWords", ways=2, inner_shots=1),
        },
    }
    val = yaml.safe_load(CONFIG.read_text())["data"]["val"]
    val["vqa"]["support"] = class_path_of("frozenvl.data.episodes.Shots", shots=1, learned="last")
    Path("data.yaml").write_text(yaml.safe_dump({"data": {"train": train, "val": val}}))


def losses(run: str) -> list[float]:
    return [row["train/loss"] for row in history(run) if "train/loss" in row]


@pytest.mark.nightly
def test_ranks_and_a_resume_train_on_the_same_episodes(frozenvl, written):
    """Uses cached features; the cache has to hold every image of an episode."""
    quick = ("--model.mapper.init_args.dropout", 0, "--data.workers", 1)
    assert frozenvl("fit", *SETTINGS, *quick) == 0
    config = yaml.safe_load(Path("runs/tiny/config.yaml").read_text())
    assert config["data"]["train"]["vqa"]["support"]["init_args"]["shots"] == [0, 3]
    around = score("tiny", "perplexity")["provenance"]
    assert around["support"] == {"vqa": "Shots {'shots': (1, 1), 'learned': 'last', 'same_image': False}"}
    assert frozenvl("fit", *SETTINGS, *quick, *add("probes.StopAt", step=5), name="cut", ranks=2) == 1
    assert frozenvl("fit", *SETTINGS, *quick, "--ckpt_path", "last", name="cut", ranks=3) == 0
    assert losses("cut") == pytest.approx(losses("tiny"), rel=1e-5) and len(set(losses("tiny"))) == 8


VIEWS = ("--data.augmentation", "torchvision.transforms.v2.RandomHorizontalFlip", "--data.views", 2)


@pytest.mark.parametrize("options", [pytest.param((), marks=pytest.mark.nightly), VIEWS])
def test_pixels_and_cached_features_give_the_same_losses(frozenvl, written, options):
    for name, cached in (("features", "true"), ("pixels", "false")):
        assert frozenvl("fit", *SETTINGS, *options, "--data.cache_features", cached, name=name) == 0
    assert losses("pixels") == pytest.approx(losses("features"), rel=1e-5)


def test_a_blind_run_sees_no_image_of_an_episode(frozenvl, written):
    blind = ("--data.blind", "true", "--data.cache_features", "false")
    assert frozenvl("fit", *SETTINGS, *blind, *add("probes.AllBlack")) == 0


SHOTS = "--data.train.vqa.support.init_args.shots"


def test_an_episode_that_is_too_long_is_one_error_line(frozenvl, written, capfd):
    assert frozenvl("fit", *SETTINGS, "--model.k", 100, SHOTS, 5) == 2
    line = one_line(capfd.readouterr().err)
    assert "positions" in line and "only 512; use fewer shots, a smaller k" in line


@pytest.mark.parametrize(
    ("shots", "message"),
    [
        (99, "99 shots, but their source has only 24 pairs"),
        (6, "but only 5 others are about images of their own"),  # raised in the data loader worker
    ],
)
def test_a_support_set_larger_than_its_source_is_one_error_line(frozenvl, written, capfd, shots, message):
    assert frozenvl("fit", *SETTINGS, SHOTS, shots, "--data.workers", 1) == 2
    assert message in one_line(capfd.readouterr().err)
