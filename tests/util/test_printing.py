"""Tables on the terminal."""

from __future__ import annotations

from frozenvl.util.printing import print_beside

SCORES = [("CIDEr [sic]", [f"0.{run:03d}" for run in range(12)]), ("Bleu_4", ["0.100"] * 12)]


def test_few_runs_stand_beside_each_other(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    print_beside("score", ["one", "[two]"], [(name, cells[:2]) for name, cells in SCORES])
    said = capsys.readouterr().out.splitlines()
    assert said[1].split("┃")[1:4] == [" score       ", " one   ", " [two] "]
    assert said[3].split("│")[1:4] == [" CIDEr [sic] ", " 0.000 ", " 0.001 "]


def test_many_stand_below_each_other_and_nothing_is_cut_off(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    print_beside("score", [f"run-{run}" for run in range(12)], SCORES)
    said = capsys.readouterr().out.splitlines()
    assert said[1].split("┃")[1:4] == [" score  ", " CIDEr [sic] ", " Bleu_4 "]
    assert said[14].split("│")[1:4] == [" run-11 ", " 0.011       ", " 0.100  "] and len(said) == 16


def test_on_a_narrow_terminal_words_are_broken_not_left_out(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("FORCE_COLOR", "1")
    print_beside("score", ["a-run-of-a-long-name"], [("trained parameters", ["160,383,488"])])
    assert "…" not in capsys.readouterr().out


def test_in_a_file_they_are_as_wide_as_they_need(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    print_beside("score", ["a-run-of-a-long-name"], [("trained parameters", ["160,383,488"])])
    said = capsys.readouterr().out
    assert "a-run-of-a-long-name" in said and "trained parameters" in said and "160,383,488" in said
