"""Table of costs: its score, the recorded costs, and the plot."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from trees import cells, write_naming, write_run, write_score, write_vqa

from frozenvl.cli import main
from frozenvl.report.cost_table import worth
from frozenvl.report.curves import cost_plot
from frozenvl.report.load import read_runs
from frozenvl.util.errors import UserError


def test_scores_stand_beside_costs(tmp_path):
    write_run(tmp_path / "a", 0.4, 1_234_567)
    write_vqa(tmp_path / "b", 4, 30.0)
    assert cells(worth(read_runs([tmp_path / "a", tmp_path / "b"]))) == {
        "captions CIDEr": {"a": "0.400 [0.370, 0.430]", "b": "–"},
        "perplexity": {"a": "19.60", "b": "–"},
        "trained parameters": {"a": "1,234,567", "b": "–"},
        "pairs seen": {"a": "64,000", "b": "–"},
        "pairs/s": {"a": "51.3", "b": "–"},
        "minutes": {"a": "20.9", "b": "–"},
        "peak memory, GB": {"a": "1.50", "b": "–"},
    }


def test_the_metric_is_chosen(tmp_path):
    write_run(tmp_path / "a", 0.4)
    for shots in (0, 4):
        write_vqa(tmp_path / "a", shots, 30.0 + shots)
        write_vqa(tmp_path / "a", shots, 11.0, view="test-blind")
    runs = read_runs([tmp_path / "a"])
    found = worth(runs, "overall")
    assert [row.score for row in found.scores] == [
        "vqa_v2 overall, 0 shots",
        "vqa_v2 overall, 4 shots",
    ]
    assert [row.cells[found.columns[0]].mean for row in found.scores] == [30.0, 34.0]
    assert [row.score for row in worth(runs, "perplexity").scores] == ["perplexity"]
    with pytest.raises(UserError, match=r"no run has a score 'BLEU'; there are CIDEr, perplexity, "):
        worth(runs, "BLEU")


def test_the_default_metric_is_the_main_score_of_a_benchmark(tmp_path):
    write_score(tmp_path / "a", "perplexity", {"perplexity": 20.0})
    assert worth(read_runs([tmp_path / "a"])).metric == "perplexity"
    write_vqa(tmp_path / "a", 0, 30.0)  # it comes after perplexity in the order of names
    assert worth(read_runs([tmp_path / "a"])).metric == "overall"
    write_naming(tmp_path / "b", 2, 1, 40.0)
    assert worth(read_runs([tmp_path / "b"])).metric == "strict"


def test_a_run_without_records_has_no_cost_table(tmp_path, capsys):
    write_score(tmp_path / "a", "captions", {"CIDEr": 0.4})
    found = worth(read_runs([tmp_path / "a"]))
    assert not found.costs and not found.points
    assert main(["report", str(tmp_path / "a"), "--out", str(tmp_path / "out")]) == 0
    assert "cost" not in capsys.readouterr().out and not (tmp_path / "out" / "cost.png").exists()
    assert "trained parameters" not in (tmp_path / "out" / "report.html").read_text()


def test_points_are_labelled_on_a_log_axis(tmp_path):
    write_run(tmp_path / "small", 0.3, 1_000)
    write_run(tmp_path / "<large>", 0.4, 10_000_000)
    write_vqa(tmp_path / "none", 4, 30.0)
    found = worth(read_runs([tmp_path / "small", tmp_path / "<large>", tmp_path / "none"]))
    ((row, points),) = found.points
    assert row.score == "captions CIDEr"
    assert [(str(column), size, cell.mean) for column, size, cell in points] == [
        ("small", 1_000, 0.3),
        ("<large>", 10_000_000, 0.4),
    ]
    svg = cost_plot(found).svg(1)
    assert svg == cost_plot(found).svg(1) and svg.startswith("<svg")
    assert all(
        text in svg
        for text in (">small<", "&lt;large&gt;", ">trained parameters<", ">1k<", ">10M<", ">captions CIDEr<")
    )
    with Image.open(io.BytesIO(cost_plot(found).file("png"))) as picture:
        assert picture.format == "PNG" and len(picture.getcolors(1 << 20)) > 20


@pytest.mark.parametrize("content", ["[1]", '{"minutes": "long"}', "{"])
def test_a_damaged_file_of_costs_is_one_error_line(tmp_path, content):
    write_run(tmp_path / "a", 0.4)
    (tmp_path / "a" / "cost.json").write_text(content)
    with pytest.raises(UserError, match=r"cost\.json: not ") as error:
        read_runs([tmp_path / "a"])
    assert "\n" not in str(error.value)


def test_a_damaged_configuration_is_one_error_line(tmp_path):
    write_run(tmp_path / "a", 0.4)
    (tmp_path / "a" / "config.yaml").write_text("a: [\nb")
    with pytest.raises(UserError, match=r"config\.yaml: not a run's configuration") as error:
        read_runs([tmp_path / "a"])
    assert "\n" not in str(error.value)
