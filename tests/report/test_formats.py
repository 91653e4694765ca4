"""Tables as Markdown, LaTeX and CSV, with special characters escaped."""

from __future__ import annotations

import csv
import io
import re

from trees import write_naming, write_score, write_vqa

from frozenvl.report.formats import latex, markdown, scores_csv
from frozenvl.report.load import read_runs
from frozenvl.report.tables import benchmark_tables


def test_markdown(tmp_path):
    write_vqa(tmp_path / "a|b_c", 4, 31.26, partial=True)
    runs = read_runs([tmp_path / "a|b_c"])
    text = markdown(benchmark_tables(runs), ["<b>decoding</b> differs"])
    lines = text.splitlines()
    assert "- Not comparable: &lt;b&gt;decoding&lt;/b&gt; differs" in lines
    head = lines.index(
        r"| setting | a\|b\_c | most frequent answer | Frozen (paper, 7B) | train-blind (paper, 7B) |"
    )
    assert lines[head + 1] == "| --- | --: | --: | --: | --: |"
    assert lines[head + 2] == r"| 4 shots | 31.3\* \[28.3, 34.3\] | 23.1 | 38.2 | 33.3 |"
    assert r"- \* scored on a part of the queries; most frequent answer: on all queries" in lines


def test_latex(tmp_path):
    for seed, value in enumerate((30.0, 32.0)):
        write_vqa(tmp_path / "50%_a&b", 4, value, seed=seed)
    write_naming(tmp_path / "50%_a&b", 2, 1, 40.0, supervised_encoder=r"100 # \input{x} ~ ^ {$}")
    text = latex(benchmark_tables(read_runs([tmp_path / "50%_a&b"])))
    naming, vqa = text.split(r"\begin{table}")[1:]
    assert r"4 shots & 31.0 $\pm$ 1.4 (2 seeds) [28.0, 34.0] & 23.1 & 38.2 & 33.3 \\" in vqa
    assert r"setting & 50\%\_a\&b & most frequent answer" in vqa and r"\begin{tabular}{lrrrr}" in vqa
    assert r"1 inner-shot & strict & 40.0$^{\dagger}$ [37.0, 43.0] & 50.0 & 53.4 \\" in naming
    assert r" & first\_phrase & 44.0$^{\dagger}$ [41.0, 47.0] & -- & -- \\" in naming
    assert r"100 \# \textbackslash{}input\{x\} \textasciitilde{} \textasciicircum{} \{\$\}" in naming
    assert r"\label{tab:open-ended}" in naming and r"\label{tab:vqa-v2}" in vqa
    for table in (naming, vqa):
        assert all(rule in table for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\end{table}"))
        rows = re.findall(r"^.*\\\\$", table, re.MULTILINE)
        assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) == 1


def test_labels_of_like_names_differ(tmp_path):
    for name in ("flickr_8k", "Flickr 8k"):
        write_score(tmp_path / "a", name, {"CIDEr": 0.4})
    text = latex(benchmark_tables(read_runs([tmp_path / "a"])))
    assert re.findall(r"\\caption.*\n\\label{(.*)}", text) == ["tab:flickr-8k", "tab:flickr-8k-2"]


def test_csv(tmp_path):
    write_vqa(tmp_path / "a", 4, 31.23456789, seed=1, unreadable=2)
    write_naming(tmp_path / "a", 2, 1, 40.0)
    write_vqa(tmp_path / "b, c", 0, 30.0, intervals={})
    rows = list(csv.DictReader(io.StringIO(scores_csv(read_runs([tmp_path / "a", tmp_path / "b, c"])))))
    assert [(row["run"], row["evaluation"], row["score"], row["main"]) for row in rows] == [
        ("a", "open_ended-2way-1shot-induced", "strict", "True"),
        ("a", "open_ended-2way-1shot-induced", "first_phrase", "False"),
        ("a", "vqa_v2-4shot-seed1", "overall", "True"),
        ("a", "vqa_v2-4shot-seed1", "answer_type/number", "False"),
        ("b, c", "vqa_v2-0shot-seed0", "overall", "True"),
        ("b, c", "vqa_v2-0shot-seed0", "answer_type/number", "False"),
    ]
    row = rows[2]
    assert float(row["value"]) == 31.23456789 and float(row["low"]) == 31.23456789 - 3
    known = ("benchmark", "view", "seed", "step", "samples", "unreadable", "setting.shots", "setting.ways")
    assert [row[key] for key in known] == ["vqa_v2", "seeing", "1", "1500", "261", "2", "4", ""]
    assert (rows[0]["setting.ways"], rows[0]["setting.induction"]) == ("2", "True")
    assert (rows[4]["low"], rows[4]["high"]) == ("", "")
