"""Requirements of installed packages that are not met."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import pytest

from frozenvl.doctor import installation

REQUIRES = {
    "frozenvl": ["Torch>=2.9", "old_style (>=1)",
                 'only-elsewhere>=1; sys_platform == "plan9"', 'docs>=1; extra == "docs"'],
    "torch": ["vision==0.1", "missing>=3"],
    "old-style": ["torch"],
    "vision": None,
}  # fmt: skip
VERSIONS = {"frozenvl": "1", "torch": "2.9.1", "old-style": "1.0", "vision": "0.2"}


@pytest.fixture
def installed(monkeypatch):
    """Installs the packages above, and no others."""

    def distribution(name):
        name = name.lower().replace("_", "-")
        if name not in VERSIONS:
            raise PackageNotFoundError(name)
        return SimpleNamespace(version=VERSIONS[name], requires=REQUIRES[name])

    monkeypatch.setattr(installation, "distribution", distribution)


def test_unmet_requirements_are_found_along_the_way_from_the_root(installed):
    assert list(installation.unmet("frozenvl")) == [
        ("torch", "vision==0.1", "0.2"),
        ("torch", "missing>=3", ""),
    ]


def test_another_version_than_a_library_needs_is_a_warning_and_a_missing_package_an_error(installed):
    _, vision, missing = installation.versions()
    assert vision == ("warning", "torch needs vision==0.1, and 0.2 is installed", "pip install 'vision==0.1'")
    assert missing == ("error", "torch needs missing>=3, and it is not installed", "pip install 'missing>=3'")


def test_this_installation_is_whole():
    first, second = installation.versions()
    assert first.level == second.level == "ok" and "torch 2." in first.text
    (python,) = installation.python()
    assert python.level == "ok" and "Python 3." in python.text
