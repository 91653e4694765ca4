"""What README.md and pages of the documentation show in Python is run, with tiny models in the place of theirs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from frozenvl.cli import main
from frozenvl.data.sources.scenes import SceneCaptions

ROOT = Path(__file__).parents[1]


def programs(page: str) -> list[str]:
    """The Python of a page, block by block."""
    return re.findall(
        r"^```python\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


@pytest.fixture
def exported(tiny_run, tmp_path, monkeypatch, capsys):
    """A folder with an export and photographs."""
    monkeypatch.chdir(tmp_path)
    for index, name in enumerate(("cat", "dog")):
        SceneCaptions("val", 5, resolution=64)[index].image.read().save(f"{name}.jpg")
    assert main(["export", str(tiny_run), "exported"]) == 0
    capsys.readouterr()


def test_the_model_example_runs(exported, capsys):
    (program,) = programs("README.md")
    assert len([line for line in program.splitlines() if line]) == 10
    exec(program, {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[0].startswith("['") and lines[2].startswith("tensor([-")


def test_an_export_goes_on_learning(exported):
    load, learn, publish = programs("docs/sharing.md")
    assert publish.startswith("model.push_to_hub(")
    names: dict[str, Any] = {}
    exec(load, names)
    before = learn.replace("optimizer.step()", "before = [p.clone() for p in model.mapper.parameters()]")
    exec(before, names)
    assert any(not weight.grad.eq(0).all() for weight in names["model"].mapper.parameters())
    names["optimizer"].step()
    changed = zip(names["before"], names["model"].mapper.parameters(), strict=True)
    assert any(not old.equal(new) for old, new in changed)


def test_the_scores_example_runs(capsys):
    (program,) = programs("docs/metrics.md")
    exec(program, {})
    page = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    assert f"```text\n{capsys.readouterr().out}```" in page


def test_a_benchmark_from_the_page_runs(tiny_run, tmp_path, monkeypatch):
    """The benchmark of docs/evaluation.md, on rendered questions."""
    import shutil

    import yaml

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (program,) = programs("docs/evaluation.md")
    Path("mine.py").write_text(program)
    source = {
        "class_path": "frozenvl.data.sources.scenes.SceneQuestions",
        "init_args": {"split": "val", "size": 4},
    }
    suite = {"benchmarks": {"my_yes_no": {"class_path": "mine.YesNo", "init_args": {"source": source}}}}
    Path("suite.yaml").write_text(yaml.safe_dump(suite))
    shutil.copytree(tiny_run, "run")
    assert main(["evaluate", "run", "--config", "suite.yaml"]) == 0
    (score,) = Path("run/evaluation").glob("my_yes_no*/score.json")
    assert '"accuracy"' in score.read_text()
