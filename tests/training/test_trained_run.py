"""A trained run taken off the shelf, and the commands that do so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from running import one_line

from frozenvl.cli import main
from frozenvl.data.sources.scenes import SceneCaptions
from frozenvl.training.trained_run import load_trained
from frozenvl.util.errors import UserError


@pytest.fixture
def pictures(tmp_path, monkeypatch) -> list[str]:
    """The scenes that the tiny run was validated on, as files."""
    monkeypatch.chdir(tmp_path)
    source = SceneCaptions("val", 5, resolution=64)
    for index in range(5):
        source[index].image.read().save(f"{index}.png")
    return [f"{index}.png" for index in range(5)]


def test_caption_says_what_the_evaluation_said(tiny_run, pictures, capsys):
    assert main(["caption", str(tiny_run), *pictures, "--max_new_tokens", "5", "--gallery", "g.png"]) == 0
    said = [line.split("\t") for line in capsys.readouterr().out.split("\n")[:-1]]
    lines = (tiny_run / "evaluation" / "captions" / "predictions.jsonl").read_text().split("\n")[:-1]
    assert said == [[path, json.loads(line)["text"]] for path, line in zip(pictures, lines, strict=True)]
    with Image.open("g.png") as picture:
        assert len(picture.getcolors(1 << 20)) > 50


def test_ask_words_questions_as_the_run_did_and_puts_examples_first(tiny_run, pictures, capsys):
    def ask(*options: str) -> str:
        assert (
            main(["ask", str(tiny_run), pictures[0], "Is the cross blue?", "--max_new_tokens", "4", *options])
            == 0
        )
        return capsys.readouterr().out

    lines = (tiny_run / "evaluation" / "vqa-0shot" / "predictions.jsonl").read_text().split("\n")
    record = json.loads(lines[0])
    assert record["question"] == "Is the cross blue?"
    assert ask() == record["text"] + "\n"
    assert ask("--example", pictures[1], "What shape is it?", "square") != ask()
    assert ask("--induction", "Answer with one word.") != ask()


def test_a_checkpoint_needs_the_configuration_of_its_run(tiny_run, tmp_path, pictures, capsys):
    shutil.copytree(tiny_run / "checkpoints", tmp_path / "moved" / "checkpoints")
    assert main(["caption", "moved", *pictures]) == 2
    assert "moved/config.yaml: no such file" in one_line(capsys.readouterr().err)
    with pytest.raises(UserError, match="no such checkpoint"):
        load_trained(tmp_path)


def test_a_run_can_be_moved(tiny_run, tmp_path, pictures, capsys):
    shutil.copytree(tiny_run, tmp_path / "moved")
    assert main(["caption", "moved/checkpoints/step=4.ckpt", pictures[0]]) == 0
    assert capsys.readouterr().out.startswith("0.png\t")


def test_a_bad_image_is_said_before_the_model_is_loaded(tiny_run, pictures, capsys):
    Path("1.png").write_bytes(Path("1.png").read_bytes()[:300])
    for command in (["caption", str(tiny_run), *pictures], ["ask", str(tiny_run), "1.png", "What?"]):
        assert main(command) == 2
        assert "1.png: not a readable image" in one_line(capsys.readouterr().err)
