"""`frozenvl draw`: from the training of a drawing head to pictures, and its error lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from autoencoders import config_of, pixels, run
from running import checkpoint, one_line, same_weights, score

from frozenvl.cli import main

DRAWING = {"class_path": "frozenvl.evaluation.Drawing", "init_args": {"task": "captions"}}
HEAD = {"markers": 2, "dim": 8, "depth": 1, "heads": 2}


@pytest.fixture(scope="module", params=["latents", "codes"])
def trained(request, tmp_path_factory, tiny_language, tiny_vision, feature_home):
    """Configuration of a run `draw` in the current folder, which has trained a drawing head."""
    codes = request.param == "codes"
    shape = {"levels": [3, 3]} if codes else {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("draw"))
        assert run("fit", config_of(tiny_language, {"trainable": True} | shape, objectives=pixels())) == 0
        parts = {
            "heads": {"d": {"class_path": "frozenvl.model.heads.Drawing", "init_args": HEAD}},
            "objectives": {"drawing": {"class_path": "frozenvl.objectives.Drawing"}},
        }
        config = config_of(tiny_language, {"weights": str(Path("runs/ae").absolute())} | shape, **parts)
        callback = {**DRAWING, "init_args": {"task": "captions", "encoder": str(tiny_vision)}}
        config["trainer"]["callbacks"].append(callback)
        assert run("fit", config, name="draw") == 0
        yield config


def test_a_run_is_scored_resumed_exported_and_draws(trained, capsys):
    found = score("draw", "drawing")
    assert found["samples"] == 5 and found["baselines"] == {"chance": 100.0}
    assert run("fit", trained, "--ckpt_path", "runs/draw/checkpoints/step=2.ckpt", name="again") == 0
    assert same_weights(checkpoint("draw"), checkpoint("again"))
    assert main(["export", "runs/draw", "exported"]) == 0
    capsys.readouterr()
    for where in ("runs/draw", "exported"):
        assert main(["draw", where, "a red circle", "--output", f"{Path(where).name}.png"]) == 0
    assert "exported.png: 1 picture of 32 pixels" in capsys.readouterr().out
    one, other = (np.asarray(PIL.Image.open(f"{name}.png")) for name in ("draw", "exported"))
    assert one.shape == (32, 32, 3) and np.array_equal(one, other)
    assert main(["draw", "runs/draw", "a red circle", "two blue stars", "--output", "two.png"]) == 0
    assert PIL.Image.open("two.png").width > 400


def test_a_photograph_in_the_style_of_a_picture(trained, request, capsys):
    for name, colour in (("photo.png", "red"), ("picture.png", "navy")):
        PIL.Image.new("RGB", (40, 30), colour).save(name)
    asked = ["--style", "picture.png", "--content", "photo.png", "--output", "styled.png"]
    capsys.readouterr()
    status = main(["draw", "runs/ae", *asked, "--strength", "0.5"])
    printed = capsys.readouterr()
    if "codes" in request.node.name:
        assert status == 2 and "are codes" in one_line(printed.err)
        return
    assert status == 0 and "styled.png: strength 0.5; content loss " in printed.out
    assert PIL.Image.open("styled.png").size == (32, 32)
    for options, message in (
        ([*asked, "--strength", "2"], "strength is 2"),
        (["--style", "picture.png"], "--style and --content go together"),
        (["a text", *asked], "give either texts to draw, or --style and --content"),
        (["--style", "no.png", "--content", "photo.png"], "no.png"),
    ):
        assert main(["draw", "runs/ae", *options]) == 2
        assert message in one_line(capsys.readouterr().err)


def test_bad_input_is_one_line(trained, capsys):
    for options, message in (
        (["runs/draw", "x", "--output", "x.jpg"], "give a name that ends in .png"),
        (["runs/draw", "x", "--temperature", "-1"], "--temperature is -1"),
        (["runs/draw", " "], "a text is empty"),
        (["runs/ae", "x"], "has no drawing head"),
        (["runs/ae"], "give either texts to draw, or --style and --content"),
    ):
        capsys.readouterr()
        assert main(["draw", *options]) == 2
        assert message in one_line(capsys.readouterr().err)
