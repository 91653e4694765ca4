"""Tables of scores: means, standard deviations, intervals, baselines, the paper's numbers, and notes."""

from __future__ import annotations

import pytest
from trees import write_naming, write_score, write_vqa

from frozenvl.metrics.metric import Metric
from frozenvl.report.load import read_runs
from frozenvl.report.tables import Table, benchmark_tables


def tables(*folders) -> list[Table]:
    return benchmark_tables(read_runs(folders))


def grid(table: Table) -> dict[tuple[str, str], dict[str, str]]:
    """Returns (setting, score) → column → cell."""
    return {
        (row.label, row.score): {str(column): str(row.cells[column]) for column in row.cells}
        for row in table.rows
    }


def test_mean_spread_and_interval_over_seeds(tmp_path):
    for seed, value in enumerate((30.0, 32.0, 37.0)):
        half = 2.0 + seed
        ends = {"overall": [value - half, value + half]}
        write_vqa(tmp_path / "a", 4, value, seed=seed, intervals=ends, partial=seed == 1)
    write_vqa(tmp_path / "a", 0, 28.04)
    (table,) = tables(tmp_path / "a")
    cells = {row.label: next(iter(row.cells.values())) for row in table.rows}
    assert (cells["4 shots"].mean, cells["4 shots"].low, cells["4 shots"].high) == (33.0, 30.0, 36.0)
    assert cells["4 shots"].deviation == pytest.approx(13**0.5)
    assert str(cells["4 shots"]) == "33.0* ± 3.6 (3 seeds) [30.0, 36.0]"
    assert str(cells["0 shots"]) == "28.0 [25.0, 31.0]"
    assert any(note.startswith("± standard deviation over seeds") for note in table.notes)


def test_one_seed_has_no_spread(tmp_path):
    write_vqa(tmp_path / "a", 4, 30.0)
    (table,) = tables(tmp_path / "a")
    assert grid(table)["4 shots", "overall"]["a"] == "30.0 [27.0, 33.0]"
    assert not any("±" in note for note in table.notes)


def test_missing_scores_are_dashes(tmp_path):
    write_vqa(tmp_path / "a", 4, 30.0, intervals={})
    write_vqa(tmp_path / "a", 2, 30.0, intervals={"overall": [float("nan"), 31.0]})
    write_vqa(tmp_path / "a", 0, float("nan"))
    write_vqa(tmp_path / "b", 1, 31.0)
    (table,) = tables(tmp_path / "a", tmp_path / "b")
    cells = grid(table)
    assert (cells["4 shots", "overall"]["a"], cells["4 shots", "overall"]["b"]) == ("30.0", "–")
    assert (cells["0 shots", "overall"]["a"], cells["2 shots", "overall"]["a"]) == ("–", "30.0")
    assert cells["1 shot", "overall"] | {"a": "–"} == cells["1 shot", "overall"]


def test_columns_are_runs_by_view_then_baselines_then_the_paper(tmp_path):
    for view, value in (("text-only", 20.0), ("seeing", 30.0), ("test-blind", 25.0)):
        write_vqa(tmp_path / "b", 0, value, view=view)
    write_vqa(
        tmp_path / "a",
        0,
        24.0,
        provenance={"blind": True},
        baselines={"most_frequent": 23.1, "chance": 2.0},
    )
    (table,) = tables(tmp_path / "b", tmp_path / "a")
    assert [str(column) for column in table.columns] == [
        "b (seeing)",
        "b (test-blind)",
        "b (text-only)",
        "a (blind)",
        "chance",
        "most frequent answer",
        "Frozen (paper, 7B)",
        "scratch (paper, 7B)",
        "finetuned (paper, 7B)",
        "train-blind (paper, 7B)",
        "Frozen VQA (paper, 7B)",
    ]
    row = grid(table)["0 shots", "overall"]
    assert (
        row["chance"] == "2.0"
        and row["most frequent answer"] == "23.1"
        and row["b (test-blind)"][:4] == "25.0"
    )
    assert (row["Frozen (paper, 7B)"], row["Frozen VQA (paper, 7B)"]) == ("29.5", "48.4")
    assert any("whole published benchmark" in note for note in table.notes)


def test_naming_has_both_rules_and_the_mark_of_a_supervised_encoder(tmp_path):
    for inner_shots in (1, 3):
        for induction in (False, True):
            write_naming(
                tmp_path / "a", 2, inner_shots, 40.0 + inner_shots, induction, supervised_encoder="ImageNet"
            )
    (table,) = tables(tmp_path / "a")
    assert (table.common, table.head) == ("2-way, 0 repeats", ["setting", "score"])
    labels = ["no induction, 1 inner-shot", "no induction, 3 inner-shots"]
    labels += ["induction, 1 inner-shot", "induction, 3 inner-shots"]
    assert [table.start(row) for row in table.rows] == [
        words for label in labels for words in ([label, "strict"], ["", "first_phrase"])
    ]
    cells = grid(table)
    assert cells[labels[2], "strict"] == {
        "a": "41.0† [38.0, 44.0]",
        "chance": "50.0",
        "Frozen (paper, 7B)": "53.4",
    }
    assert cells[labels[2], "first_phrase"] == {"a": "45.0† [42.0, 48.0]"}
    assert "Frozen (paper, 7B)" not in cells[labels[1], "strict"]  # the paper has no such setting
    assert "† the encoder was trained with labels on the benchmark's classes: ImageNet" in table.notes


def test_partial_scores_are_marked(tmp_path):
    scores = {"CIDEr": 0.3939, "Bleu_4": 0.1565, "Bleu_1": 0.5, "ROUGE_L": 0.4254}
    write_score(tmp_path / "a", "coco", scores, 0.02, partial=True, samples=100, unreadable=2)
    write_score(tmp_path / "b", "coco", scores, 0.02)
    (table,) = tables(tmp_path / "a", tmp_path / "b")
    assert table.head == ["score"]
    assert [row.score for row in table.rows] == ["CIDEr", "Bleu_4", "ROUGE_L"]
    assert grid(table)["", "CIDEr"] == {"a": "0.394* [0.374, 0.414]", "b": "0.394 [0.374, 0.414]"}
    assert table.notes == (
        "* scored on a part of the queries",
        "100 to 261 queries per score; 95 % intervals over images",
        "unreadable images, counted as wrong, in 1 of 2 scores (most: 2, a coco)",
    )


def test_chosen_answers_are_not_compared_with_the_papers_generated_ones(tmp_path):
    write_vqa(tmp_path / "a", 0, 30.0, provenance={"chosen_by": "likelihood, sum"})
    (table,) = tables(tmp_path / "a")
    assert not any(column.kind == "paper" for column in table.columns)


def test_chosen_answers_have_only_the_strict_rule(tmp_path):
    write_naming(tmp_path / "a", 2, 1, 40.0, provenance={"chosen_by": "likelihood, sum"})
    write_naming(tmp_path / "b", 2, 1, 40.0)
    assert [row.score for row in tables(tmp_path / "a")[0].rows] == ["strict"]
    assert [row.score for row in tables(tmp_path / "b")[0].rows] == ["strict", "first_phrase"]


def test_a_note_says_that_baselines_of_partial_scores_are_on_all_queries(tmp_path):
    write_vqa(tmp_path / "a", 0, 30.0, partial=True, baselines={"most_frequent": 23.1, "chance": 2.0})
    (table,) = tables(tmp_path / "a")
    assert (
        table.notes[0] == "* scored on a part of the queries; chance and most frequent answer: on all queries"
    )


def test_notes_of_scores_stand_below_the_table(tmp_path):
    """A note of all scores has no names; of many different notes, the first few are shown."""
    for run in ("a", "b"):
        write_vqa(tmp_path / run, 0, 30.0, notes=["read this"])
    assert "read this" in tables(tmp_path / "a", tmp_path / "b")[0].notes
    write_vqa(tmp_path / "b", 4, 30.0)
    (table,) = tables(tmp_path / "a", tmp_path / "b")
    assert "a vqa_v2-0shot-seed0, b vqa_v2-0shot-seed0: read this" in table.notes
    for shots in range(5, 8):
        write_vqa(tmp_path / "b", shots, 30.0, notes=[f"note {shots}"])
    notes = tables(tmp_path / "a", tmp_path / "b")[0].notes
    shown = [f"b vqa_v2-{shots}shot-seed0: note {shots}" in notes for shots in range(5, 8)]
    assert shown == [True, True, False] and "1 more: see `notes` in the score.json files" in notes


def test_a_note_says_that_baselines_differ(tmp_path):
    write_vqa(tmp_path / "a", 0, 30.0)
    write_vqa(tmp_path / "b", 0, 30.0, baselines={"most_frequent": 25.0})
    (table,) = tables(tmp_path / "a", tmp_path / "b")
    assert grid(table)["0 shots", "overall"]["most frequent answer"] == "23.1"
    assert "most frequent answer differs among the runs; the first run's is shown" in table.notes


def test_rows_are_sorted_by_number(tmp_path):
    for shots in (16, 2, 0, 4):
        write_vqa(tmp_path / "a", shots, 30.0)
    write_vqa(tmp_path / "a", 8, 30.0, setting={"shots": 8, "induction": False, "demonstrations": "fixed"})
    (table,) = tables(tmp_path / "a")
    assert [row.label for row in table.rows] == [
        "0 shots",
        "demonstrations fixed, 8 shots",
        "demonstrations per question, 2 shots",
        "demonstrations per question, 4 shots",
        "demonstrations per question, 16 shots",
    ]


def test_a_user_defined_metric_sets_its_digits_and_whether_it_is_shown(tmp_path):
    own = (
        Metric("rank", digits=2, better="lower", main=True),
        Metric("odd", shown=False),
        Metric("hits", "%"),
    )
    for run, value in (("a", 3.251), ("b", 2.0)):
        scores = {"odd": 1.0, "hits": 12.34, "rank": value}
        write_score(tmp_path / run, "find", scores, 0.5, metrics=own, baselines={"chance": 50.5})
    (table,) = tables(tmp_path / "a", tmp_path / "b")
    cells = grid(table)
    assert [row.score for row in table.rows] == ["rank", "hits"]
    assert cells["", "rank"] == {"a": "3.25 [2.75, 3.75]", "b": "2.00 [1.50, 2.50]", "chance": "50.50"}
    assert cells["", "hits"]["a"] == "12.3 [11.8, 12.8]"
