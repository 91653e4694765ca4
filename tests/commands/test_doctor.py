"""frozenvl doctor."""

from __future__ import annotations

import pytest

from frozenvl import doctor
from frozenvl.cli import main
from frozenvl.doctor import Finding


@pytest.fixture
def checks(monkeypatch):
    """Two checks in place of all."""
    made = {
        "good": lambda: [Finding("ok", "fine")],
        "bad": lambda: [Finding("error", "broken", "mend it"), Finding("warning", "odd")],
    }
    monkeypatch.setattr(doctor, "CHECKS", made)
    return made


def test_a_line_for_each_finding_and_a_status(checks, capsys):
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "ok       good: fine",
        "error    bad: broken → mend it",
        "warning  bad: odd",
        "1 error, 1 warning",
    ]


def test_only_some_checks(checks, capsys):
    assert main(["doctor", "--only", "good"]) == 0
    assert capsys.readouterr().out.splitlines() == ["ok       good: fine", "nothing is wrong"]
    assert main(["doctor", "--only", "ugly"]) == 2
    assert "no check 'ugly'; there are good, bad" in capsys.readouterr().err


def test_a_report_is_a_block_of_markdown(checks, capsys):
    assert main(["doctor", "--report"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "```text" and lines[-1] == "```" and lines[-2] == "1 error, 1 warning"
