"""Tables on the terminal."""

from __future__ import annotations

from frozenvl.util.printing import print_beside

SCORES = [("CIDEr [sic]", [f"0.{run:03d}" for run in range(12)]), ("Bleu_4", ["0.100"] * 12)]


def test_few_runs_are_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    print_beside("score", ["one", "[two]"], [(name, cells[:2]) for name, cells in SCORES])
    printed = capsys.readouterr().out.splitlines()
    assert printed[1].split("┃")[1:4] == [" score       ", " one   ", " [two] "]
    assert printed[3].split("│")[1:4] == [" CIDEr [sic] ", " 0.000 ", " 0.001 "]


def test_many_runs_are_rows_and_nothing_is_cut_off(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    print_beside("score", [f"run-{run}" for run in range(12)], SCORES)
    printed = capsys.readouterr().out.splitlines()
    assert printed[1].split("┃")[1:4] == [" score  ", " CIDEr [sic] ", " Bleu_4 "]
    assert printed[14].split("│")[1:4] == [" run-11 ", " 0.011       ", " 0.100  "] and len(printed) == 16


def test_words_are_broken_on_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("FORCE_COLOR", "1")
    print_beside("score", ["a-run-of-a-long-name"], [("trained parameters", ["160,383,488"])])
    assert "…" not in capsys.readouterr().out


def test_tables_in_a_file_have_their_full_width(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    print_beside("score", ["a-run-of-a-long-name"], [("trained parameters", ["160,383,488"])])
    printed = capsys.readouterr().out
    assert "a-run-of-a-long-name" in printed and "trained parameters" in printed and "160,383,488" in printed
