"""frozenvl completion."""

from __future__ import annotations

from frozenvl.cli import main
from frozenvl.commands import completion
from frozenvl.completion import scripts


def test_a_script_is_printed(monkeypatch, capsys):
    monkeypatch.setattr("frozenvl.cli.EXPERIMENT", {})
    monkeypatch.setattr("frozenvl.cli.SMALL", {"completion": "prints", "doctor": "checks"})
    assert main(["completion", "bash"]) == 0
    printed = capsys.readouterr().out
    assert "complete -o bashdefault -o default -F _frozenvl frozenvl" in printed and "--report" in printed


def test_an_unknown_shell_is_one_line(capsys):
    assert main(["completion", "csh"]) == 2
    assert "invalid choice: 'csh'" in capsys.readouterr().err


def test_the_shells_are_those_that_have_scripts():
    assert tuple(scripts.SHELLS) == completion.SHELLS
