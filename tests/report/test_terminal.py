"""Printed tables of scores and costs."""

from __future__ import annotations

import pytest
from trees import write_score, write_vqa

from frozenvl.cli import main
from frozenvl.report.cell import Cell
from frozenvl.report.load import read_runs
from frozenvl.report.tables import Column, Row, Table
from frozenvl.report.terminal import FEW, print_cost, print_runs, print_scores


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    """Makes the terminal so wide that no table is printed transposed."""
    monkeypatch.setenv("COLUMNS", "200")


def test_the_command_does_not_compare_different_seeds(tmp_path, capsys):
    for run, seed in (("a", 0), ("b", 1)):
        facts = {"shots": 2, "seed": seed}
        write_score(tmp_path / run, "x-2shot", {"overall": 30.0 + seed}, benchmark="x", setting=facts)
    write_score(
        tmp_path / "b", "x-2shot-seed0", {"overall": 40.0}, benchmark="x", setting={"shots": 2, "seed": 0}
    )
    assert main(["report", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "overall" in line]
    assert [("30.0" in line, "31.0" in line, "40.0" in line) for line in lines] == [
        (True, False, True),
        (False, True, False),
    ]


def test_the_command_compares_a_blind_run_with_a_seeing_one(tmp_path, capsys):
    write_vqa(tmp_path / "a", 4, 30.0)
    write_vqa(tmp_path / "b", 4, 31.0, provenance={"blind": True})
    assert main(["report", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "30.0" in line)
    assert "31.0" in line and "vqa_v2 overall, 4 shots" in line


def row_of(printed: str, name: str) -> list[str]:
    """Returns the cells of the printed row of a name."""
    rows = [
        [cell.strip() for cell in line.replace("┃", "│").strip("│").split("│")]
        for line in printed.splitlines()
    ]
    (cells,) = (cells for name_, *cells in rows if name_ == name)
    return cells


def test_scores_that_tables_leave_out_are_printed_on_request(tmp_path, capsys):
    write_vqa(tmp_path / "a", 4, 30.0)
    runs = read_runs([tmp_path / "a"])
    print_runs(runs)
    printed = capsys.readouterr().out
    assert "number" not in printed and row_of(printed, "vqa_v2 overall, 4 shots") == [
        "30.0 [27.0, 33.0]",
        "23.1",
    ]
    assert "Frozen" not in printed and "paper" not in printed
    print_runs(runs, every=True)
    assert row_of(capsys.readouterr().out, "vqa_v2 answer_type/number, 4 shots") == ["15.0 [12.0, 18.0]", "–"]


def test_a_run_without_a_score_has_a_dash(tmp_path, capsys):
    write_score(tmp_path / "a", "captions", {"CIDEr": 0.4}, partial=True)
    write_score(tmp_path / "b", "perplexity", {"perplexity": 20.0}, half=None)
    print_scores([tmp_path / "a", tmp_path / "b"])
    printed = capsys.readouterr().out
    assert row_of(printed, "captions CIDEr") == ["0.400* [-2.600, 3.400]", "–"]
    assert row_of(printed, "perplexity") == ["–", "20.00"]  # not "perplexity perplexity"
    assert "* scored on a part of the queries" in printed


def test_seeds_are_averaged_in_one_row_and_views_are_columns(tmp_path, capsys):
    for seed in (0, 1):
        for view, loss in (("seeing", 0), ("test-blind", 9)):
            write_vqa(tmp_path / "a", 4, 30.0 + 2 * seed - loss, seed, view=view)
    print_scores([tmp_path / "a"])
    printed = capsys.readouterr().out
    means = ["31.0 ± 1.4 (2 seeds) [28.0, 34.0]", "22.0 ± 1.4 (2 seeds) [19.0, 25.0]", "23.1"]
    assert row_of(printed, "score") == ["a (seeing)", "a (test-blind)", "most frequent answer"]
    assert row_of(printed, "vqa_v2 overall, 4 shots") == means
    assert "± standard deviation over seeds of the demonstrations" in printed


def test_a_note_names_its_benchmarks_unless_it_is_about_all(tmp_path, capsys):
    write_score(tmp_path / "a", "captions", {"CIDEr": 0.4}, samples=50, of=50)
    write_score(tmp_path / "a", "others", {"CIDEr": 0.5}, samples=50, of=50)
    print_scores([tmp_path / "a"])
    assert "\n50 queries per score" in capsys.readouterr().out
    write_score(tmp_path / "a", "more", {"CIDEr": 0.5}, samples=70, of=70)
    print_scores([tmp_path / "a"])
    printed = capsys.readouterr().out
    assert "\ncaptions, others: 50 queries per score" in printed and "\nmore: 70 queries per score" in printed


def test_benchmarks_that_are_not_asked_for_are_left_out(tmp_path, capsys):
    write_score(tmp_path / "a", "captions", {"CIDEr": 0.4})
    write_vqa(tmp_path / "a", 0, 30.0)
    print_scores([tmp_path / "a"], ["vqa_v2", "left_out"])
    printed = capsys.readouterr().out
    assert "overall" in printed and "CIDEr" not in printed
    print_scores([tmp_path / "a"], ["left_out"])
    assert capsys.readouterr().out == ""


def test_many_galleries_are_named_by_one_pattern(tmp_path, capsys):
    for shots in range(FEW + 1):
        folder = write_vqa(tmp_path / "a", shots, 30.0)
        (folder / "gallery.png").touch()
        print_scores([tmp_path / "a"])
        galleries = [line for line in capsys.readouterr().out.splitlines() if line.startswith("gallery: ")]
        if shots < FEW:
            assert len(galleries) == shots + 1 and f"gallery: {folder / 'gallery.png'}" in galleries
    assert galleries == [f"gallery: {tmp_path / 'a' / 'evaluation/*/gallery.png'}"]


def test_costs_are_printed_with_their_notes(capsys):
    columns = (Column("run", "a"), Column("run", "b"))
    cells = dict(zip(columns, (Cell(0, 64_000.0), Cell()), strict=True))
    print_cost(Table("cost", "", "", columns, (Row({}, "", "pairs seen", cells),), ("in one note",)))
    printed = capsys.readouterr().out
    assert row_of(printed, "pairs seen") == ["64,000", "–"]
    assert printed.endswith("in one note\n")
