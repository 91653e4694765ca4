"""Runs the notebooks with tiny models and little data."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import PIL.Image
import pytest
from notebooks import FOLDER, run_notebook


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch, feature_home):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # a project's own source is found beside its configuration
    monkeypatch.delitem(sys.modules, "captions", raising=False)


@pytest.fixture
def models(tiny_language, tiny_vision):
    return {"language": str(tiny_language), "vision": str(tiny_vision)}


def test_train(models):
    run_notebook("train", models | {"bos": "false", "steps": 6, "blind_steps": 6})
    assert Path("runs/blind/evaluation/captions/score.json").is_file()


def test_few_shot(tiny_run):
    variables = run_notebook("few_shot", {"run": str(tiny_run), "batches": 1})
    assert Path("report/report.html").is_file() and 0 <= variables["score"]["scores"]["overall"] <= 100


def test_retrieve(models):
    run_notebook("retrieve", models | {"size": 60, "steps": 2})
    assert PIL.Image.open("found.png").width > 100


def test_explain(tiny_run):
    run_notebook("explain", {"run": str(tiny_run), "batches": 1})
    assert Path("answer/explanation.json").is_file()


@pytest.mark.parametrize("page", sorted(FOLDER.glob("*.md")), ids=lambda path: path.stem)
def test_a_page_shows_the_code_of_its_notebook(page):
    """`python docs/notebooks/execute.py` makes it anew."""
    cells = json.loads(page.with_suffix(".ipynb").read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert re.findall(r"^```python\n(.*?)\n```$", page.read_text(encoding="utf-8"), re.M | re.S) == code


@pytest.mark.parametrize("notebook", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_tested_and_small(notebook):
    assert f"test_{notebook.stem}" in globals()
    content = json.loads(notebook.read_text(encoding="utf-8"))
    assert notebook.stat().st_size < 1_000_000
    for cell in content["cells"]:
        for output in cell.get("outputs", ()):
            assert output["output_type"] != "error"
