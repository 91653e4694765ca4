"""What README.md shows in Python is run, with tiny models in the place of its own."""

from __future__ import annotations

from pathlib import Path

from frozenvl.cli import main
from frozenvl.data.sources.scenes import SceneCaptions

README = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")
BLOCKS = [block.split("```")[0] for block in README.split("```python\n")[1:]]


def test_the_model_from_python(tiny_run, tmp_path, monkeypatch, capsys):
    use, learn = [block for block in BLOCKS if "model." in block]
    assert len([line for line in use.splitlines() if line]) == 10 and "import" in learn
    monkeypatch.chdir(tmp_path)
    for index, name in enumerate(("cat", "dog")):
        SceneCaptions("val", 5, resolution=64)[index].image.read().save(f"{name}.jpg")
    assert main(["export", str(tiny_run), "exported"]) == 0
    capsys.readouterr()
    names: dict = {}
    exec(use, names)
    before = learn.replace("optimizer.step()", "before = [p.clone() for p in model.mapper.parameters()]")
    exec(before, names)
    assert any(not p.grad.eq(0).all() for p in names["model"].mapper.parameters())
    names["optimizer"].step()
    changed = zip(names["before"], names["model"].mapper.parameters(), strict=True)
    assert any(not old.equal(new) for old, new in changed)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 3 and said[0].startswith("['") and said[2].startswith("tensor([-")


def test_scores_from_python(capsys):
    (program,) = [block for block in BLOCKS if "caption_scores" in block]
    exec(program, {})
    assert "'CIDEr'" in capsys.readouterr().out
