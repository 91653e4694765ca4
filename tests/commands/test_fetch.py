"""`frozenvl fetch`."""

from __future__ import annotations

from dataclasses import replace

from running import one_line
from wheels import left_in, tiny_recipe

from frozenvl.cli import main
from frozenvl.pretrained import zoo


def test_list_shows_which_models_are_fetched(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FROZENVL_HOME", str(tmp_path))
    folder = zoo.models() / "EfficientNet-Lite0"
    folder.mkdir(parents=True)
    assert main(["fetch", "--list"]) == 0
    first, second, _, last = capsys.readouterr().out.splitlines()
    assert first.split()[:2] == ["SmolLM2-135M-Instruct", "0.1.2"] and first.endswith("not fetched")
    assert "Apache-2.0" in second and second.endswith(f"fetched: {folder}")
    assert last.split()[0] == "all-MiniLM-L6-v2" and last.endswith("not fetched (optional)")


def test_an_optional_model_is_fetched_only_by_name(tmp_path, monkeypatch):
    recipe = tiny_recipe(tmp_path, monkeypatch)
    optional = replace(recipe, name="Other", optional=True)
    monkeypatch.setattr(zoo, "RECIPES", (recipe, optional))
    assert main(["fetch"]) == 0 and left_in(zoo.models()) == ["Tiny"]
    assert main(["fetch", "other"]) == 0 and left_in(zoo.models()) == ["Other", "Tiny"]


def test_named_models_or_all_are_fetched(tmp_path, monkeypatch, capsys):
    recipe = tiny_recipe(tmp_path, monkeypatch)
    monkeypatch.setattr(zoo, "RECIPES", (recipe, replace(recipe, name="Other")))
    assert main(["fetch", "tiny"]) == 0 and left_in(zoo.models()) == ["Tiny"]
    assert main(["fetch"]) == 0 and left_in(zoo.models()) == ["Other", "Tiny"]
    assert "Tiny: already" in capsys.readouterr().err
    assert main(["fetch", "gpt2"]) == 2
    assert one_line(capsys.readouterr().err) == "gpt2: no such model to fetch; known are Tiny, Other"
