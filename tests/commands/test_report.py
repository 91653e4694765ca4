"""`frozenvl report`."""

from __future__ import annotations

import csv

from PIL import Image
from running import one_line
from trees import write_run, write_score, write_vqa

from frozenvl.cli import main


def test_the_table_is_printed_and_with_out_also_written(tmp_path, capsys):
    for run, value in (("a", 30.0), ("b", 31.0)):
        write_vqa(tmp_path / run, 4, value)
    assert main(["report", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    out = capsys.readouterr().out
    assert "30.0 [27.0, 33.0]" in out and "answer_type" not in out and "report:" not in out
    where = tmp_path / "new" / "out"
    assert main(["report", str(tmp_path / "a"), str(tmp_path / "b"), "--all", "--out", str(where)]) == 0
    out = capsys.readouterr().out
    assert "answer_type/number" in out and out.rstrip().endswith("report.html")
    assert sorted(path.name for path in where.iterdir()) == [
        "report.html",
        "report.md",
        "scores.csv",
        "tables.tex",
    ]
    assert "31.0" in (where / "report.md").read_text()


def test_only_and_views_select_what_is_shown(tmp_path, capsys):
    write_vqa(tmp_path / "a", 4, 30.0, partial=True)
    write_vqa(tmp_path / "a", 4, 22.0, view="text-only")
    write_score(tmp_path / "b", "coco", {"CIDEr": 0.4})
    runs = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert (
        main(["report", *runs, "--only", "vqa_v2", "--views", "seeing", "--out", str(tmp_path / "out")]) == 0
    )
    printed = capsys.readouterr()
    assert "30.0*" in printed.out and "22.0" not in printed.out and "CIDEr" not in printed.out
    assert "* scored on a part of the queries" in printed.out
    assert f"{tmp_path / 'b'}: left out" in printed.err
    page = (tmp_path / "out" / "report.html").read_text()
    assert "vqa_v2" in page and "coco" not in page
    assert main(["report", *runs, "--only", "nothing"]) == 2
    assert "there are coco, vqa_v2" in one_line(capsys.readouterr().err)


def test_bad_input_is_one_error_line(tmp_path, capsys):
    assert main(["report", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 2
    assert "no scores there" in one_line(capsys.readouterr().err)
    write_vqa(tmp_path / "a", 4, 30.0)
    (tmp_path / "file").write_text("")
    assert main(["report", str(tmp_path / "a"), "--out", str(tmp_path / "file")]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and "file is a file; name a folder" in one_line(printed.err)


def test_runs_of_several_seeds_are_printed_and_written_with_their_cost(tmp_path, capsys):
    for seed in (0, 1):
        write_run(tmp_path / f"a-{seed}", 0.4 + seed / 10, 4_321, seed=seed)
    runs, out = [str(tmp_path / f"a-{seed}") for seed in (0, 1)], tmp_path / "out"
    assert main(["report", *runs, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "4,321" in printed and "0.450 ± 0.071 (2 seeds)" in printed
    assert "captions CIDEr" in printed and "perplexity" in printed and "perplexity perplexity" not in printed
    page = (out / "report.html").read_text()
    assert page.count("<svg") == 1 and "4,321" in page
    assert page.count('aria-label="CIDEr against trained parameters and the cost of training"') == 1
    assert "| pairs seen | 64,000" in (out / "report.md").read_text()
    assert r"\label{tab:cost}" in (out / "tables.tex").read_text()
    with Image.open(out / "cost.png") as picture:
        assert picture.width > 500
    rows = list(csv.DictReader((out / "scores.csv").open()))
    assert {(row["run"], row["cost.trained_parameters"], row["cost.minutes"]) for row in rows} == {
        ("a-0", "4321.0", "20.85"),
        ("a-1", "4321.0", "20.85"),
    }
    assert main(["report", *runs, "--metric", "nothing"]) == 2
    assert "no run has a score 'nothing'" in one_line(capsys.readouterr().err)
