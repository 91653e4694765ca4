"""`frozenvl explain`."""

from __future__ import annotations

import json
from pathlib import Path

import PIL.Image
import pytest
from running import one_line

from frozenvl.cli import main
from frozenvl.retrieval.load import load_model


def test_an_answer_is_explained_word_by_word(tiny_run, pictures, capsys):
    asked = ["explain", str(tiny_run), "0.png", "Is the cross blue?", "--answer", "yes it is"]
    assert main(asked) == 0
    out = capsys.readouterr().out
    record = json.loads(Path("explanation/explanation.json").read_text())
    (maps,) = record["maps"]
    assert maps["names"] == record["words"] == ["yes", "it", "is"] and record["text"] == "yes it is"
    assert len(maps["values"]) == 3 and len(maps["values"][0]) == 7
    assert "explanation: explanation/explanation.html" in out and all(word in out for word in maps["names"])
    assert PIL.Image.open("explanation/occlusion.png").width > 900
    page = Path("explanation/explanation.html").read_text()
    assert "Is the cross blue?" in page and "occlusion" in page
    assert record["provenance"]["model"] == load_model(tiny_run).model.identity()
    assert record["prompt"] == "Question: Is the cross blue? Answer:"


def test_without_an_answer_the_models_caption_is_explained(tiny_run, pictures, capsys):
    assert main(["caption", str(tiny_run), "1.png"]) == 0
    caption = capsys.readouterr().out.strip().split("\t")[1]
    assert main(["explain", str(tiny_run), "1.png", "--target", "text", "--output", "out"]) == 0
    assert json.loads(Path("out/explanation.json").read_text())["text"] == caption


def test_several_methods_with_their_settings(tiny_run, pictures, capsys):
    asked = ["explain", str(tiny_run), "0.png", "what?", "--answer", "red", "--against", "blue"]
    asked += ["--method", "occlusion", "integrated_gradients", "attention"]
    assert main([*asked, "--grid", "4", "--baseline", "black", "--set", "window=2"]) == 0
    errors = capsys.readouterr().err
    record = json.loads(Path("explanation/explanation.json").read_text())
    occlusion, gradients = record["maps"]
    assert occlusion["settings"] == {"grid": 4, "window": 2, "level": "pixel"}
    assert occlusion["names"] == ["red − blue"] and gradients["baseline"] == "black"
    assert record["refused"].keys() == {"attention"} and "attention is left out: " in errors
    assert {path.name for path in Path("explanation").iterdir()} == {
        "occlusion.png", "integrated_gradients.png", "explanation.json", "explanation.html",
    }  # fmt: skip


def test_an_export_is_explained_alike(tiny_run, pictures, capsys):
    assert main(["export", str(tiny_run), "exported"]) == 0
    for model, folder in ((str(tiny_run), "a"), ("exported", "b")):
        asked = ["explain", model, "0.png", "Is the cross blue?", "--answer", "yes", "--output", folder]
        assert main(asked) == 0
    first, second = (json.loads(Path(f"{name}/explanation.json").read_text()) for name in "ab")
    assert first["maps"] == second["maps"] and first["provenance"]["trained_weights"]
    assert first["provenance"] | {"checkpoint": ""} == second["provenance"] | {"checkpoint": ""}


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--method", "occlusio"], "no method 'occlusio'; there are occlusion, "),
        (["--set", "windw=2"], "none of the methods has a setting 'windw'"),
        (["--grid", "500"], "grid is 500; it is from 2 to 64 cells per side"),
        (["--answer", "red", "--against", "red"], "the two answers are the same ('red')"),
        (
            ["--answer", "red", "--method", "attention"],
            "explain pixels (occlusion, integrated gradients) instead",
        ),
    ],
)
def test_wrong_options_get_one_line(options, line, tiny_run, pictures, capsys):
    assert main(["explain", str(tiny_run), "0.png", "what?", *options]) == 2
    assert line in one_line(capsys.readouterr().err.splitlines()[-1] + "\n")


def test_an_unreadable_image_is_an_error_before_the_model_is_loaded(tiny_run, pictures, capsys):
    Path("1.png").write_bytes(Path("1.png").read_bytes()[:300])
    assert main(["explain", str(tiny_run), "1.png"]) == 2
    assert "1.png: not a readable image" in one_line(capsys.readouterr().err)
