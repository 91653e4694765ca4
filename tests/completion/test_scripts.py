"""The scripts, in the shells that are installed."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from frozenvl.completion.commands import Command, Option
from frozenvl.completion.scripts import SHELLS, bash, fish, zsh

COMMANDS = [
    Command("fit", "train", (
        Option("--model.k", "vectors"), Option("--model.mapper", "mapper", True, ("a.Linear", "a.MLP")),
    )),
    Command("ask", "it's a question", (
        Option("--dry", "only say it", False), Option("-h", "help", False)), takes_runs=True),
    Command("data", "data sets", actions=(
        Command("check", "read all", (Option("--strict", "fail", False),)),
        Command("what", "name it", values=("x", "y")),
    )),
]  # fmt: skip


def needs(shell: str) -> str:
    """Returns the path of a shell, or skips the test."""
    if not (path := shutil.which(shell)):
        pytest.skip(f"{shell} is not installed")
    return path


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with two runs, one folder that is none, and a photograph."""
    for name in ("one", "two"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "config.yaml").touch()
    (tmp_path / "runs" / "none").mkdir()
    (tmp_path / "photo.jpg").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


CASES = [
    ("", {"fit", "ask", "data"}),
    ("a", {"ask"}),
    ("fit --model.", {"--model.k", "--model.mapper"}),
    ("fit --model.mapper ", {"a.Linear", "a.MLP"}),
    ("fit --model.mapper a.M", {"a.MLP"}),
    ("ask --d", {"--dry"}),
    ("ask ", {"runs/one", "runs/two"}),
    ("data ", {"check", "what"}),
    ("data check --", {"--strict"}),
    ("data what ", {"x", "y"}),
]


@pytest.mark.parametrize(("typed", "offered"), CASES)
def test_bash(here, typed, offered):
    words = ["frozenvl", *typed.split(" ")]
    program = f"""{bash(COMMANDS)}
COMP_WORDS=({" ".join(f"'{word}'" for word in words)}); COMP_CWORD={len(words) - 1}; _frozenvl
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        [needs("bash"), "-c", program], capture_output=True, text=True, check=True, timeout=20
    )
    assert {*done.stdout.split()} == offered and not done.stderr


@pytest.mark.parametrize(("typed", "offered"), CASES)
def test_fish(here, typed, offered):
    program = f"{fish(COMMANDS)}\ncomplete -C 'frozenvl {typed}'\n"
    done = subprocess.run(
        [needs("fish"), "-N", "-c", program], capture_output=True, text=True, check=True, timeout=20
    )
    found = {line.split("\t")[0] for line in done.stdout.splitlines()}
    # Where file names may stand, fish offers them, too.
    assert offered <= found and found - offered <= {"photo.jpg", "runs/"} and not done.stderr


def test_zsh(here):
    """zsh completes in its line editor only; here the script is read, and the function that it names is asked for."""
    program = f"{zsh(COMMANDS)}\nprint -r -- ${{_comps[frozenvl]}}\n"
    done = subprocess.run(
        [needs("zsh"), "-f", "-c", program], capture_output=True, text=True, check=True, timeout=20
    )
    assert done.stdout.split()[-1] == "_frozenvl"


def test_every_shell_has_a_script():
    assert SHELLS.keys() == {"bash", "zsh", "fish"}
