"""The documentation lists every configuration, command and page, and names only files and classes that exist."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path

import pytest

from frozenvl.cli import EXPERIMENT, SMALL

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = {str(path.relative_to(DOCS)): path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md")}


def navigation(entries) -> list[str]:
    """Returns the pages of the site's navigation."""
    pages = []
    for entry in entries:
        for target in entry.values():
            pages += [target] if isinstance(target, str) else navigation(target)
    return pages


def test_every_page_is_in_the_navigation_once():
    site = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
    assert sorted(navigation(site["nav"])) == sorted(PAGES)


def test_every_configuration_is_listed_and_exists():
    page = PAGES["reference/configurations.md"]
    listed = set(re.findall(r"configs/\w+\.yaml", page))
    assert listed == {f"configs/{path.name}" for path in (ROOT / "configs").glob("*.yaml")}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_pages_of_the_site(page):
    """`make docs` refuses others, and is not a part of the tests."""
    for link in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        target = link.partition("#")[0]
        if target and "://" not in target:
            path = (DOCS / page).parent / target
            assert path.is_file() and path.resolve().is_relative_to(DOCS), link


def test_every_command_is_listed():
    page = PAGES["reference/command_line.md"]
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == (EXPERIMENT | SMALL).keys()


@pytest.mark.parametrize("page", [page for page in PAGES if "/api_" in page])
def test_the_objects_on_api_pages_exist(page):
    for path in re.findall(r"^::: ([\w.]+)$", PAGES[page], re.MULTILINE):
        try:
            importlib.import_module(path)
        except ModuleNotFoundError:
            module, _, name = path.rpartition(".")
            assert hasattr(importlib.import_module(module), name), path


def test_every_file_and_class_that_pages_name_exists():
    """Checks paths of the project in code spans, and class paths of the package."""
    missing = []
    for page, text in PAGES.items():
        if page.startswith("notebooks/"):  # files of the project that a notebook makes
            continue
        for path in re.findall(
            r"`((?:configs|experiments|benchmarks|tests|frozenvl|data|docs)/[\w./-]+)`", text
        ):
            if "/a/" in path:  # placeholder for any module
                continue
            if not (ROOT / path).exists() and not (ROOT / "frozenvl" / path).exists():
                missing.append(f"{page}: {path}")
        for path in set(re.findall(r"\bfrozenvl(?:\.\w+)+\.[A-Z]\w+", text)):
            module, _, name = path.rpartition(".")
            if not hasattr(importlib.import_module(module), name):
                missing.append(f"{page}: {path}")
    assert not missing
