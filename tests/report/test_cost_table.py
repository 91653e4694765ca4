"""Table of costs: its score, the recorded costs, the plot, and runs of different seeds in one column."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from trees import cells, write_naming, write_run, write_score, write_vqa

from frozenvl.cli import main
from frozenvl.report.cost_table import Worth, by_seed, worth
from frozenvl.report.curves import plots_of
from frozenvl.report.load import Run, read_runs
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


def names_of(table: Worth) -> list[str]:
    """Returns the names of the rows of the score."""
    return [row.score for row in table.scores]


def test_the_metric_is_chosen(tmp_path):
    write_run(tmp_path / "a", 0.4)
    for shots in (0, 4):
        write_vqa(tmp_path / "a", shots, 30.0 + shots)
        write_vqa(tmp_path / "a", shots, 11.0, view="test-blind")
    runs = read_runs([tmp_path / "a"])
    found = worth(runs, "overall")
    assert names_of(found) == ["vqa_v2 overall, 0 shots", "vqa_v2 overall, 4 shots"]
    assert [row.cells[found.columns[0]].mean for row in found.scores] == [30.0, 34.0]
    assert names_of(worth(runs, "perplexity")) == ["perplexity"]
    with pytest.raises(UserError, match=r"no run has a score 'BLEU'; there are CIDEr, perplexity, "):
        worth(runs, "BLEU")


def test_the_default_metric_is_the_main_score_of_a_benchmark(tmp_path):
    write_score(tmp_path / "a", "perplexity", {"perplexity": 20.0})
    assert names_of(worth(read_runs([tmp_path / "a"]))) == ["perplexity"]
    write_vqa(tmp_path / "a", 0, 30.0)  # it comes after perplexity in the order of names
    assert names_of(worth(read_runs([tmp_path / "a"]))) == ["vqa_v2 overall, 0 shots"]
    write_naming(tmp_path / "b", 2, 1, 40.0)
    assert names_of(worth(read_runs([tmp_path / "b"]))) == ["open_ended strict, 1 inner-shot"]


def test_a_run_without_records_has_no_cost_table(tmp_path, capsys):
    write_score(tmp_path / "a", "captions", {"CIDEr": 0.4})
    found = worth(read_runs([tmp_path / "a"]))
    assert not found.costs and not plots_of(found)
    assert main(["report", str(tmp_path / "a"), "--out", str(tmp_path / "out")]) == 0
    assert "cost" not in capsys.readouterr().out and not (tmp_path / "out" / "cost.png").exists()
    assert "trained parameters" not in (tmp_path / "out" / "report.html").read_text()


def test_points_are_labelled_on_a_log_axis(tmp_path):
    write_run(tmp_path / "small", 0.3, 1_000)
    write_run(tmp_path / "<large>", 0.4, 10_000_000)
    write_vqa(tmp_path / "none", 4, 30.0)
    found = worth(read_runs([tmp_path / "small", tmp_path / "<large>", tmp_path / "none"]))
    (plot,) = plots_of(found)
    (axes,) = plot.draw().axes
    assert axes.get_ylabel() == "captions CIDEr"
    assert {drawn.get_label(): drawn[0].get_xydata().tolist() for drawn in axes.containers} == {
        "small": [[1_000, 0.3]],
        "<large>": [[10_000_000, 0.4]],
    }
    svg = plot.svg(1)
    assert svg == plot.svg(1) and svg.startswith("<svg")
    assert all(
        text in svg
        for text in (">small<", "&lt;large&gt;", ">trained parameters<", ">1k<", ">10M<", ">captions CIDEr<")
    )
    with Image.open(io.BytesIO(plot.file("png"))) as picture:
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


def test_runs_that_differ_only_in_their_seed_share_a_column(tmp_path):
    """Student's interval of three values: mean ± 4.303 · s ÷ √3."""
    for seed, cider in enumerate((0.40, 0.42, 0.47)):
        write_run(
            tmp_path / f"lora-seed{seed}", cider, seed=seed, trainer={"default_root_dir": f"runs/{seed}"}
        )
    write_run(tmp_path / "wide", 0.5, 8000, seed=0, name="x", model={"k": 8, "seed": 0})
    found = worth(read_runs(sorted(tmp_path.iterdir())))
    assert [str(column) for column in found.columns] == ["lora", "wide"]
    known = cells(found)
    assert known["captions CIDEr"] == {
        "lora": "0.430 ± 0.036 (3 seeds) [0.340, 0.520]",
        "wide": "0.500 [0.470, 0.530]",
    }
    assert known["trained parameters"]["lora"] == "1,000"
    assert any("differ only in their seed" in note for note in found.notes)


@pytest.mark.parametrize(
    ("changes", "together"),
    [
        ({"seed_everything": 1}, True),
        ({"seed_everything": 1, "model": {"seed": 1, "k": 4}}, True),
        ({"data": {"seed": 1}}, True),
        ({}, False),  # the same run twice is no second draw
        ({"seed_everything": 1, "model": {"seed": 1, "k": 8}}, False),
        ({"seed_everything": 1, "init_from": "x.ckpt"}, False),
    ],
)
def test_keys_that_may_differ_between_repetitions(tmp_path, changes, together):
    write_run(tmp_path / "a1", 0.4, seed=0)
    write_run(tmp_path / "a2", 0.5, seed=0, **changes)
    found = worth(read_runs([tmp_path / "a1", tmp_path / "a2"]))
    assert [str(column) for column in found.columns] == (["a"] if together else ["a1", "a2"])
    assert any("±" in note for note in found.notes) == together


def test_groups_with_the_same_label_are_named_by_their_runs(tmp_path):
    for number, k in enumerate((1, 1, 2, 2)):
        write_run(tmp_path / f"run{number}", 0.4, seed=number, model={"k": k})
    write_run(tmp_path / "other", 0.4)
    found = worth(read_runs(sorted(tmp_path.iterdir())))
    assert [str(column) for column in found.columns] == ["other", "run0, run1", "run2, run3"]


def run(label: str, **config: Any) -> Run:
    """Makes a run with a configuration and no scores."""
    return Run(label, Path(label), (), {}, config)


@pytest.mark.parametrize(
    ("labels", "column"),
    [
        (["lora-seed0", "lora-seed1"], "lora"),
        (["lora.1", "lora.2"], "lora"),
        (["k8_10", "k8_11"], "k8"),
        (["one", "two"], "one, two"),  # they have nothing in common
        (["1", "2"], "1, 2"),
    ],
)
def test_a_column_is_named_by_the_common_beginning_of_its_runs(labels, column):
    runs = [run(label, seed_everything=seed, k=4) for seed, label in enumerate(labels)]
    assert by_seed(runs) == {column: runs}


def test_runs_without_a_configuration_stand_alone():
    assert list(by_seed([run("a1"), run("a2")])) == ["a1", "a2"]


def test_runs_may_name_their_folders_and_configuration_files_differently():
    alike = [
        run(
            f"a{seed}", seed_everything=seed, config=[f"{seed}.yaml"], trainer={"default_root_dir": str(seed)}
        )
        for seed in range(2)
    ]
    assert len(by_seed(alike)) == 1
    longer = run(
        "a2", seed_everything=2, config=["2.yaml"], trainer={"default_root_dir": "2", "max_steps": 9}
    )
    assert list(map(len, by_seed([*alike, longer]).values())) == [2, 1]
