"""Findings as lines."""

from frozenvl.doctor.finding import Finding, line_of, summary


def test_a_line_has_level_check_text_and_remedy():
    assert line_of("disks", Finding("warning", "full", "free some space")) == (
        "warning  disks: full → free some space"
    )
    assert line_of("java", Finding("ok", "here")) == "ok       java: here"


def test_the_summary_counts_errors_and_warnings():
    ok, warning, error = (Finding(level, "") for level in ("ok", "warning", "error"))
    assert summary([ok, Finding("note", "")]) == "nothing is wrong"
    assert summary([ok, warning, warning]) == "2 warnings"
    assert summary([error, warning]) == "1 error, 1 warning"
