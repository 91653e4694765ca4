"""Whole runs on data with unreadable images."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from PIL import Image
from probes import seen
from running import CONFIG, add, history, one_line, score

IMAGES = 40
SETTINGS = ("--trainer.max_steps", 8, "--trainer.val_check_interval", 4, "--config", "data.yaml")


def captions(part: str, broken: list[int]) -> dict:
    """Writes images in COCO's layout, some of them truncated; returns the task that reads them."""
    folder = Path(part)
    folder.mkdir()
    for number in range(IMAGES):
        path = folder / f"{number}.jpg"
        Image.new("RGB", (64, 64), (6 * number, 100, 200)).save(path)
        if number in broken:
            path.write_bytes(path.read_bytes()[:300] if number % 2 else b"")
    rows = [{"id": number, "file_name": f"{number}.jpg"} for number in range(IMAGES)]
    texts = [{"id": n, "image_id": n, "caption": f"image number {n}"} for n in range(IMAGES)]
    texts.append({"id": IMAGES, "image_id": 0, "caption": "spam", "is_rejected": True})
    Path(f"{part}.json").write_text(json.dumps({"images": rows, "annotations": texts}))
    source = "frozenvl.data.sources.coco.CocoCaptions"
    return {
        "source": {"class_path": source, "init_args": {"annotations": f"{part}.json", "images": part}},
        "weight": 1,
    }


@pytest.fixture
def written(frozenvl):
    """Writes `data.yaml` with two unreadable training images of forty, and three for validation."""
    data = {"train": {"captions": captions("t", [3, 8])}, "val": {"captions": captions("v", [0, 1, 6])}}
    settings = {"data": data | {"max_unreadable": 0.06}}
    keep = ["frozenvl.evaluation.Captions", "lightning.pytorch.callbacks.ModelCheckpoint"]
    tiny = yaml.safe_load(CONFIG.read_text())
    callbacks = [c for c in tiny["trainer"]["callbacks"] if c["class_path"] in keep]
    Path("data.yaml").write_text(yaml.safe_dump(settings | {"trainer": {"callbacks": callbacks}}))


def report(run: str) -> dict:
    return json.loads(Path("runs", run, "data_report.json").read_text())


@pytest.mark.parametrize("cached", [True, False])
def test_unreadable_images_are_replaced_in_training_and_wrong_in_evaluation(frozenvl, written, cached, capfd):
    cache = ("--data.cache_features", str(cached).lower())
    assert frozenvl("fit", *SETTINGS, *cache, *add("probes.Seen", folder="seen")) == 0
    rows = report("tiny")
    assert {row["sample"] for row in rows["training"]} == {"3#0", "8#0"}
    assert all("not a readable image" in row["reason"] for row in rows["training"])
    trained = [key for keys in seen("seen").values() for key in keys]
    assert len(trained) == 8 * 8 and not {"3#0", "8#0"} & set(trained)
    assert {row["sample"] for row in rows["validation"]} == {"0#0", "1#0", "6#0"}
    lines = [
        json.loads(line)
        for line in Path("runs/tiny/evaluation/captions/predictions.jsonl").read_text().splitlines()
    ]
    unread = {row["id"]: row for row in lines if "unreadable" in row}
    assert len(lines) == IMAGES and unread.keys() == {"0", "1", "6"}
    assert {row["text"] for row in unread.values()} == {""}
    assert score("tiny", "captions")["unreadable"] == 3 and score("tiny", "captions")["samples"] == IMAGES
    messages = capfd.readouterr().err
    assert f"{len(rows['training'])} training samples could not be read and were replaced" in messages
    notes = {"rejected captions left out": 1}
    assert rows["notes"] == {"train.captions": notes, "val.captions": notes}
    assert "data.train.captions: 1 rejected captions left out" in messages


def test_ranks_and_resuming_do_not_change_replacements_and_report(frozenvl, written):
    probe = add("probes.Seen", folder="seen")
    quick = ("--trainer.limit_val_batches", 0, "--model.mapper.init_args.dropout", 0)
    assert frozenvl("fit", *SETTINGS, *quick, *probe) == 0
    expected, rows = seen("seen"), report("tiny")["training"]
    assert rows[0]["step"] < 4 <= rows[-1]["step"]  # some before the interruption, some after it
    shutil.rmtree("seen")
    assert frozenvl("fit", *SETTINGS, *quick, *probe, *add("probes.StopAt", step=5), name="cut", ranks=2) == 1
    assert frozenvl("fit", *SETTINGS, *quick, *probe, "--ckpt_path", "last", name="cut", ranks=3) == 0
    assert {step: sorted(set(keys)) for step, keys in seen("seen").items()} == {
        step: sorted(set(keys)) for step, keys in expected.items()
    }
    assert sorted(map(str, report("cut")["training"])) == sorted(map(str, rows))
    losses = [[row["train/loss"] for row in history(run)] for run in ("tiny", "cut")]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_too_many_unreadable_samples_stop_the_run_with_one_error_line(frozenvl, written, capfd):
    assert frozenvl("fit", *SETTINGS, "--data.max_unreadable", "0.0005") == 1
    line = one_line(capfd.readouterr().err)
    assert "training samples cannot be read, more than data.max_unreadable (0.0005) allows" in line
    assert "runs/tiny/data_report.json lists them" in line


def test_predictions_list_unreadable_samples(frozenvl, written):
    assert frozenvl("fit", *SETTINGS) == 0
    assert frozenvl("predict", "--config", "data.yaml", "--ckpt_path", "runs/tiny/checkpoints/last.ckpt") == 0
    rows = [json.loads(line) for line in Path("runs/tiny/predictions.jsonl").read_text().splitlines()]
    assert {row["id"] for row in rows} == {str(number) for number in range(IMAGES)} and len(rows) == IMAGES
    assert {row["id"] for row in rows if "unreadable" in row} == {"0", "1", "6"}
    assert all(row["text"] == "" for row in rows if "unreadable" in row)
