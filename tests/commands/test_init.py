"""frozenvl init: the project that it writes works."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import frozenvl
from frozenvl.cli import main
from frozenvl.commands import init
from frozenvl.training.parsing import configuration_parser


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("init") / "my project"
    assert main(["init", str(folder)]) == 0
    return folder


def test_its_files(project):
    assert {path.name for path in project.iterdir()} == {*init.FILES, ".gitignore", "data"}
    assert (project / "README.md").read_text(encoding="utf-8").startswith("# my project\n")
    rows = json.loads((project / "data" / "captions.json").read_text(encoding="utf-8"))
    assert len(rows) == init.SCENES == len(list((project / "data" / "photographs").iterdir()))


def test_its_test_passes_and_fails_without_a_photograph(project):
    def tested():
        paths = {"PYTHONPATH": str(Path(frozenvl.__file__).parents[1]), "PATH": "", "HOME": str(project)}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        return subprocess.run(command, cwd=project, env=paths, capture_output=True, text=True, timeout=120)

    assert tested().returncode == 0, tested().stdout
    photograph = project / "data" / "photographs" / "0003.png"
    data = photograph.read_bytes()
    photograph.write_bytes(data[:100])
    try:
        assert tested().returncode == 1
    finally:
        photograph.write_bytes(data)


def test_its_configuration_names_what_exists(project, monkeypatch):
    monkeypatch.chdir(project)
    monkeypatch.syspath_prepend(str(project))
    config = configuration_parser()(["--config", "train.yaml"])
    source = config["data"]["train"]["captions"]["source"]
    assert source["class_path"] == "captions.Photographs" and source["init_args"]["part"] == "train"
    assert config["data"]["val"]["captions"]["source"]["init_args"]["part"] == "val"


def test_a_folder_that_holds_files_is_left_alone(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["init", str(tmp_path)]) == 2
    assert "is not empty (it holds notes.txt)" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
