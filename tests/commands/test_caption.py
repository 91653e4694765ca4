"""`frozenvl caption`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from PIL import Image
from running import one_line

from frozenvl.cli import main


def test_captions_equal_those_of_the_evaluation(tiny_run, pictures, capsys):
    assert main(["caption", str(tiny_run), *pictures, "--max_new_tokens", "5", "--gallery", "g.png"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.split("\n")[:-1]]
    lines = (tiny_run / "evaluation" / "captions" / "predictions.jsonl").read_text().split("\n")[:-1]
    assert rows == [[path, json.loads(line)["text"]] for path, line in zip(pictures, lines, strict=True)]
    with Image.open("g.png") as picture:
        assert len(picture.getcolors(1 << 20)) > 50


def test_a_moved_run_can_be_loaded(tiny_run, tmp_path, pictures, capsys):
    shutil.copytree(tiny_run, tmp_path / "moved")
    assert main(["caption", "moved/checkpoints/step=4.ckpt", pictures[0]]) == 0
    assert capsys.readouterr().out.startswith("0.png\t")


def test_an_unreadable_image_is_an_error_before_the_model_is_loaded(tiny_run, pictures, capsys):
    Path("1.png").write_bytes(Path("1.png").read_bytes()[:300])
    assert main(["caption", str(tiny_run), *pictures]) == 2
    assert "1.png: not a readable image" in one_line(capsys.readouterr().err)
