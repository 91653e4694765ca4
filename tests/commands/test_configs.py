"""frozenvl configs."""

from __future__ import annotations

from pathlib import Path

from frozenvl.cli import main
from frozenvl.util.recipes import folder


def test_all_are_listed_with_what_they_are(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["configs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    names = {line.split()[0] for line in lines if not line.startswith(" ")}
    assert {"demo", "flickr8k", "trainer/gpu"} <= names


def test_one_is_printed(capsys):
    assert main(["configs", "trainer/gpu"]) == 0
    assert capsys.readouterr().out == (folder() / "trainer" / "gpu.yaml").read_text(encoding="utf-8")


def test_some_are_copied_and_nothing_is_replaced(capsys, tmp_path):
    assert main(["configs", "demo", "trainer/gpu", "--copy", str(tmp_path / "a")]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [Path(line) for line in printed] == [
        tmp_path / "a" / "demo.yaml",
        tmp_path / "a" / "trainer" / "gpu.yaml",
    ]
    (tmp_path / "a" / "demo.yaml").write_text("mine")
    assert main(["configs", "flickr8k", "demo", "--copy", str(tmp_path / "a")]) == 2
    assert "demo.yaml: exists, and nothing was copied" in capsys.readouterr().err
    assert (tmp_path / "a" / "demo.yaml").read_text() == "mine" and not (
        tmp_path / "a" / "flickr8k.yaml"
    ).exists()


def test_a_misspelt_name_is_one_line(capsys):
    assert main(["configs", "flickr9k"]) == 2
    assert capsys.readouterr().err == "frozenvl: error: no configuration 'flickr9k'; did you mean flickr8k?\n"
