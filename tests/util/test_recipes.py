"""The configurations that come with frozenvl."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

import frozenvl
from frozenvl.util import recipes
from frozenvl.util.errors import UserError

ROOT = Path(frozenvl.__file__).parents[1]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("# One line.\n# More.\nmodel: 1\n", "One line"),
        (
            "# Two lines with Li et al. 2023, and\n# an end. Not this.\n",
            "Two lines with Li et al. 2023, and an end",
        ),
        ("# Flamingo (Alayrac et al. 2022). Then more.\n", "Flamingo (Alayrac et al. 2022)"),
        ("# Use it as:\n#   frozenvl fit\n", "Use it as"),
        ("# Without an end\nmodel: 1\n", "Without an end"),
        ("model: 1\n", ""),
    ],
)
def test_the_first_sentence_says_what_a_configuration_is(text, sentence):
    assert recipes.first_sentence(text) == sentence


def test_each_configuration_of_a_clone_has_a_name_and_a_sentence():
    known = dict(recipes.recipes())
    assert {f"{name}.yaml" for name in known} == {
        path.relative_to(ROOT / "configs").as_posix() for path in (ROOT / "configs").rglob("*.yaml")
    }
    assert all(known.values())


@pytest.mark.parametrize("name", ["trainer/gpu", "configs/trainer/gpu.yaml"])
def test_a_configuration_by_its_name(name):
    assert recipes.recipe(name) == ROOT / "configs" / "trainer" / "gpu.yaml"


def test_a_misspelt_name():
    with pytest.raises(UserError, match=r"'flickr9k'; did you mean flickr8k\?"):
        recipes.recipe("flickr9k")


def test_an_installation_without_a_clone(monkeypatch, tmp_path):
    package = tmp_path / "site-packages" / "frozenvl" / "__init__.py"
    monkeypatch.setattr(frozenvl, "__file__", str(package))
    monkeypatch.setattr(recipes, "distributions", lambda name: [SimpleNamespace(files=None)])
    with pytest.raises(UserError, match="has no configurations"):
        recipes.folder()
    demo = tmp_path / "share" / "frozenvl" / "configs" / "demo.yaml"
    demo.parent.mkdir(parents=True)
    demo.write_text("# A demo.\n")
    (demo.parent / "data").mkdir()
    (demo.parent / "data" / "x.yaml").write_text("# Data.\n")

    class Installed(str):
        def locate(self):
            return tmp_path / self

    files = [Installed("share/frozenvl/configs/demo.yaml")]
    monkeypatch.setattr(recipes, "distributions", lambda name: [SimpleNamespace(files=files)])
    assert recipes.folder() == demo.parent
    assert dict(recipes.recipes()) == {"demo": "A demo", "data/x": "Data"}


@pytest.mark.nightly
def test_a_wheel_holds_all_configurations_and_so_does_one_of_the_source_distribution(tmp_path):
    command = "from setuptools.build_meta import build_sdist; import sys; build_sdist(sys.argv[1])"
    clone = tmp_path / "clone"  # building leaves files behind
    left_out = shutil.ignore_patterns(".*", "runs", "site", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, clone, ignore=left_out)
    subprocess.run([sys.executable, "-c", command, str(tmp_path)], cwd=clone, check=True, capture_output=True)
    (source,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        assert not [name for name in archive.getnames() if "/tests" in name]
    contents = []
    for number, origin in enumerate((clone, source)):
        folder = tmp_path / str(number)
        command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(origin)]
        built = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if built.returncode and "setuptools" in built.stderr:
            pytest.skip("the package index, from which pip builds a wheel, is not reached")
        (wheel,) = folder.glob("*.whl")
        contents.append({*zipfile.ZipFile(wheel).namelist()})
    assert contents[0] == contents[1]
    held = {name.partition("/configs/")[2] for name in contents[0] if "/configs/" in name}
    assert held == {
        path.relative_to(ROOT / "configs").as_posix() for path in (ROOT / "configs").rglob("*.yaml")
    }
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "frozenvl").rglob("*") if path.is_file()}
    assert {name for name in package if "__pycache__" not in name} <= contents[0]
