"""The pages of experiments list every folder, link to files that exist, and keep whole rows of scores."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SCORES = sorted(EXPERIMENTS.rglob("scores.csv"))
PAGES = sorted(EXPERIMENTS.rglob("*.md"))


def name(path: Path) -> str:
    """Returns a path below `experiments`."""
    return str(path.relative_to(EXPERIMENTS))


def test_every_folder_is_listed_once():
    listed = re.findall(r"^\| \[(\w+)\]\(\1\) \|", (EXPERIMENTS / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(path.parent.name for path in EXPERIMENTS.glob("*/README.md"))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    paths = [link.partition("#")[0] for link in links if "://" not in link]
    assert [path for path in paths if path and not (page.parent / path).exists()] == []


@pytest.mark.parametrize("file", SCORES, ids=name)
def test_every_row_of_scores_is_whole(file):
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert rows
    assert [row for row in rows if not row["run"] or None in row or None in row.values()] == []


def test_main_scores_keep_an_induction_text_of_two_lines(tmp_path):
    file = tmp_path / "scores.csv"
    rows = 'run,text,score,value\na,"Answer.\n",strict,1.5\na,,loss,2.5\n'
    file.write_text(rows, encoding="utf-8")
    command = [sys.executable, EXPERIMENTS / "main_scores.py", file]
    kept = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert kept == rows.replace("a,,loss,2.5\n", "")
