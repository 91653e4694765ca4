"""Whole runs that learn labels, and name images by them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import yaml
from running import history, score
from tiny_sentences import sentence_encoder

COLOURS = {"red": (200, 40, 40), "blue": (40, 40, 200), "no light": (20, 20, 20)}
RETRIEVAL = {"class_path": "frozenvl.model.heads.Retrieval", "init_args": {"dim": 16, "pool": "mean"}}


def painted(folder: Path, seed: int) -> Path:
    """Writes six noisy images of each colour, a subfolder for each; returns the folder."""
    random = np.random.default_rng(seed)
    for label, colour in COLOURS.items():
        (folder / label).mkdir(parents=True)
        for number in range(6):
            pixels = np.clip(np.array(colour) + random.normal(0, 30, (64, 64, 3)), 0, 255).astype(np.uint8)
            PIL.Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder


def task(folder: Path) -> dict[str, Any]:
    source = {
        "class_path": "frozenvl.data.sources.labelled.LabelledImages",
        "init_args": {"folder": str(folder)},
    }
    return {"labels": {"source": source, "template": {"query": "{image}", "target": " {target}"}}}


@pytest.mark.parametrize("kind", ["retrieval", "sentence"])
def test_images_never_seen_are_named_by_the_labels_that_a_run_has_learnt(frozenvl, tmp_path, kind):
    encoder = {"name": str(sentence_encoder(tmp_path / "sentences"))}
    sentence = {"class_path": "frozenvl.model.heads.SentenceSpace", "init_args": encoder}
    objective = {"labels": list(COLOURS), "templates": "photo", "weight": 2.0}
    name_by = {"class_path": "frozenvl.evaluation.ZeroShot", "init_args": {"labels": list(COLOURS)}}
    settings = {
        "model": {
            "heads": {"names": RETRIEVAL if kind == "retrieval" else sentence},
            "objectives": {
                "captions": {"class_path": "frozenvl.objectives.Captioning"},
                "vision": {
                    "class_path": "frozenvl.objectives.Reconstruction",
                    "init_args": {"distance": "cosine"},
                },
                "labels": {"class_path": "frozenvl.objectives.LabelMatching", "init_args": objective},
            },
        },
        "data": {"train": task(painted(tmp_path / "train", 0)), "val": task(painted(tmp_path / "val", 1))},
        "trainer": {"callbacks": [name_by], "max_steps": 40, "val_check_interval": 40},
    }
    Path("labels.yaml").write_text(yaml.safe_dump(settings))
    assert frozenvl("fit", "--config", "labels.yaml") == 0
    rows = [row for row in history("tiny") if "train/labels" in row]
    assert rows[-1]["train/labels"] < 0.5 * rows[0]["train/labels"]
    assert rows[-1]["train/vision"] < rows[0]["train/vision"]
    row = rows[-1]
    total = row["train/captions"] + row["train/vision"] + 2 * row["train/labels"]
    assert row["train/loss"] == pytest.approx(total, rel=1e-5)
    found = score("tiny", "zero_shot")["scores"]
    assert found["acc1"] == 100 and found["class/no light"] == 100
