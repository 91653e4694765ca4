"""Lines and points of a report's plots."""

from __future__ import annotations

from matplotlib.axes import Axes
from trees import write_naming, write_score, write_vqa

from frozenvl.report.curves import plots_of
from frozenvl.report.load import read_runs
from frozenvl.report.tables import benchmark_tables


def drawn(*folders) -> list[Axes]:
    """Draws all plots of the runs."""
    plots = [plot for table in benchmark_tables(read_runs(folders)) for plot in plots_of(table)]
    return [axes for plot in plots for axes in plot.draw().axes]


def lines(axes: Axes) -> dict[str, list[tuple[float, float]]]:
    """Returns label → points of each line, with the value at the tick in place of the horizontal position."""
    ticks = [float(tick.get_text()) for tick in axes.get_xticklabels()]
    return {
        drawn.get_label(): [(ticks[int(x)], y) for x, y in drawn[0].get_xydata()] for drawn in axes.containers
    }


def test_the_zero_shot_point_is_on_every_line(tmp_path):
    write_vqa(tmp_path / "a", 0, 30.0)
    for mode, gain in (("fixed", 1), ("per_question", 2)):
        for shots in (1, 4):
            for seed in (0, 1):
                setting = {"shots": shots, "induction": False, "demonstrations": mode, "seed": seed}
                name = f"{mode}-{shots}-{seed}"
                value = 30.0 + shots * gain + seed
                write_score(
                    tmp_path / "a", name, {"overall": value}, benchmark="own", protocol="vqa", setting=setting
                )
    zero = {"shots": 0, "induction": False}
    write_score(tmp_path / "a", "zero", {"overall": 30.0}, benchmark="own", protocol="vqa", setting=zero)
    (axes,) = drawn(tmp_path / "a")
    assert (axes.get_title(), axes.get_xlabel()) == ("", "shots")
    assert lines(axes) == {
        "a: demonstrations fixed": [(0, 30.0), (1, 31.5), (4, 34.5)],
        "a: demonstrations per question": [(0, 30.0), (1, 32.5), (4, 38.5)],
    }


def test_runs_baselines_and_the_paper(tmp_path):
    for shots in (0, 4):
        write_vqa(tmp_path / "a", shots, 30.0)
        write_vqa(tmp_path / "a", shots, 25.0, view="test-blind")
    (axes,) = drawn(tmp_path / "a")
    assert lines(axes) == {
        "a (seeing)": [(0, 30.0), (4, 30.0)],
        "a (test-blind)": [(0, 25.0), (4, 25.0)],
        "most frequent answer": [(0, 23.1), (4, 23.1)],
        "Frozen (paper, 7B)": [(0, 29.5), (4, 38.2)],
        "scratch (paper, 7B)": [(0, 0.0)],
        "finetuned (paper, 7B)": [(0, 24.0)],
        "train-blind (paper, 7B)": [(0, 26.2), (4, 33.3)],
        "Frozen VQA (paper, 7B)": [(0, 48.4)],
    }


def test_a_plot_for_each_number_of_ways(tmp_path):
    for ways in (2, 5):
        for inner_shots in (1, 3):
            for induction in (False, True):
                write_naming(
                    tmp_path / "a", ways, inner_shots, 10.0 * ways + inner_shots + induction, induction
                )
    two, five = drawn(tmp_path / "a")
    assert (two.get_title(), five.get_title(), two.get_xlabel()) == ("2-way", "5-way", "inner-shots")
    assert lines(five) == {
        "a: no induction": [(1, 51.0), (3, 53.0)],
        "a: induction": [(1, 52.0), (3, 54.0)],
        "chance": [(1, 20.0), (3, 20.0)],
        "Frozen (paper, 7B): no induction": [(1, 18.0)],
        "Frozen (paper, 7B): induction": [(1, 20.2), (3, 22.3)],
    }


def test_a_single_point_has_no_plot(tmp_path):
    write_vqa(tmp_path / "a", 4, 30.0)
    write_score(tmp_path / "a", "captions", {"CIDEr": 0.3})
    assert drawn(tmp_path / "a") == []
