"""Runs on videos: fit, evaluation, its provenance and gallery, broken clips, and commands on clips."""

from __future__ import annotations

import json
from pathlib import Path

import PIL.Image
import pytest
import yaml
from clips import numbered, write_clip, write_sound
from running import checkpoint, history, one_line, same_weights, score

from frozenvl.cli import main

CAPTIONS = {"class_path": "frozenvl.evaluation.Captions", "init_args": {"task": "clips", "max_new_tokens": 3}}
SAVES = {
    "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
    "init_args": {"every_n_train_steps": 2, "save_last": True, "save_top_k": -1, "filename": "{step}"},
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """Folder with five clips to train on, and three to validate, of which the last has only sound."""
    folder = tmp_path_factory.mktemp("clips")
    for part, number in (("train", 5), ("val", 2)):
        (folder / part).mkdir()
        for place in range(number):
            pictures = [numbered(100 * place + frame) for frame in range(16)]
            write_clip(folder / part / f"{place}.mp4", pictures, "mpeg4", g="4")
            (folder / part / f"{place}.txt").write_text(f"a clip {place}\nthe clip {place}\n")
    write_sound(folder / "sound.m4a").rename(folder / "val" / "9.mp4")
    (folder / "val" / "9.txt").write_text("no clip\n")
    return folder


def config(clips: Path, sampling: str = "random", **data: object) -> str:
    """Writes a configuration of a run on videos of three frames; returns its path."""
    task = lambda part, **more: {
        "source": {
            "class_path": "frozenvl.data.sources.video_folder.VideoFolder",
            "init_args": {"folder": str(clips / part), "sampling": sampling, "frames": 3, **more},
        },
        "template": {"query": "{image} A clip of", "target": " {target}"},
    }
    content = {
        "data": {"train": {"clips": task("train")}, "val": {"clips": task("val")}, "batch_size": 4, **data},
        "trainer": {"max_steps": 4, "val_check_interval": 4, "callbacks": [CAPTIONS, SAVES]},
    }
    Path("videos.yaml").write_text(yaml.safe_dump(content))
    return "videos.yaml"


def test_random_frames_do_not_depend_on_workers_ranks_or_a_stop(frozenvl, clips):
    """Frames are addressed by the position of a sample: worker processes and a resumed run see the same ones."""
    settings = ("--config", config(clips), "--model.mapper", "probes.SameStart")
    assert frozenvl("fit", *settings, name="alone") == 0
    assert frozenvl("fit", *settings, "--data.workers", 2, name="workers") == 0
    assert frozenvl("fit", *settings, "--data.cache_features", "false", name="uncached") == 0
    first = "runs/alone/checkpoints/step=2.ckpt"
    assert frozenvl("fit", *settings, "--ckpt_path", first, name="resumed") == 0
    whole = checkpoint("alone")
    assert same_weights(whole, checkpoint("workers")) and same_weights(whole, checkpoint("resumed"))
    losses = lambda run: [row["train/loss"] for row in history(run) if "train/loss" in row]
    assert losses("alone") == pytest.approx(losses("uncached"), rel=1e-4) and len(losses("alone")) == 4


def test_scores_tell_how_frames_were_sampled_and_count_unreadable_clips(frozenvl, clips):
    assert frozenvl("fit", "--config", config(clips, "endpoints")) == 0
    made = score("tiny", "clips")
    assert made["provenance"]["frames"] == "endpoints, 3 frames" and made["provenance"]["decoder"].startswith(
        "av "
    )
    assert (made["samples"], made["unreadable"]) == (3, 1)
    lines = Path("runs/tiny/evaluation/clips/predictions.jsonl").read_text().splitlines()
    reasons = [row.get("unreadable", "") for row in map(json.loads, lines)]
    assert sum("it has no video, only audio" in str(reason) for reason in reasons) == 1
    report = json.loads(Path("runs/tiny/data_report.json").read_text())
    assert "9.mp4: not a readable video" in report["validation"][0]["reason"]
    (shown, *_) = json.loads(Path("runs/tiny/evaluation/clips/shown.json").read_text())
    files = [part["image"] for part in shown["prompt"] if "image" in part]
    assert len(files) == 3 and all((Path("runs/tiny/evaluation/clips") / file).is_file() for file in files)
    with PIL.Image.open("runs/tiny/evaluation/clips/gallery.png") as gallery:
        assert len(gallery.getcolors(1 << 20)) > 20


def test_a_clip_that_breaks_is_replaced_and_counted(frozenvl, clips, tmp_path):
    for path in (clips / "train").iterdir():
        (tmp_path / "train").mkdir(exist_ok=True)
        (tmp_path / "train" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "val").symlink_to(clips / "val")
    (tmp_path / "train" / "3.mp4").write_bytes(b"no clip")
    assert frozenvl("fit", "--config", config(tmp_path, max_unreadable=1.0)) == 0
    report = json.loads(Path("runs/tiny/data_report.json").read_text())
    assert "3.mp4: not a readable video" in report["training"][0]["reason"]


def test_a_blind_run_sees_as_many_black_frames(frozenvl, clips):
    assert frozenvl("fit", "--config", config(clips), "--data.blind", "true") == 0
    made = score("tiny", "clips")
    assert made["provenance"]["blind"] and made["provenance"]["frames"] == "random, 3 frames"


def test_commands_take_clips_with_the_frames_of_the_run(frozenvl, clips, capsys):
    assert frozenvl("fit", "--config", config(clips, "uniform")) == 0
    lines = Path("runs/tiny/evaluation/clips/predictions.jsonl").read_text().splitlines()
    texts = {Path(row["id"]).name: row["text"] for row in map(json.loads, lines)}
    paths = [str(clips / "val" / name) for name in ("0.mp4", "1.mp4")]
    capsys.readouterr()
    words = ("--max_new_tokens", "3")
    assert main(["caption", "runs/tiny", *paths, *words, "--gallery", "g.png"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert rows == [[path, texts[Path(path).name]] for path in paths]
    with PIL.Image.open("g.png") as picture:
        assert len(picture.getcolors(1 << 20)) > 20
    assert main(["caption", "runs/tiny", paths[0], *words, "--frames", "2", "--sampling", "endpoints"]) == 0
    assert main(["ask", "runs/tiny", paths[0], "What is it?", *words, "--fps", "2", "--frames", "4"]) == 0
    capsys.readouterr()
    assert main(["ask", "runs/tiny", str(clips / "val" / "9.mp4"), "What is it?"]) == 2
    assert "9.mp4: not a readable video (it has no video, only audio)" in one_line(capsys.readouterr().err)
    assert main(["caption", "runs/tiny", paths[0], "--frames", "0"]) == 2
    assert "frames is 0" in one_line(capsys.readouterr().err)
