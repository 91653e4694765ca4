"""Style of plots: SVG for a page, error bars, and different colours and markers for runs."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest
from matplotlib.figure import Figure
from trees import write_vqa

from frozenvl.report.cell import Cell
from frozenvl.report.curves import plots_of
from frozenvl.report.figures import draw_cells, look
from frozenvl.report.load import read_runs
from frozenvl.report.tables import benchmark_tables


def test_a_cell_is_drawn_with_its_interval_or_without_one():
    axes = Figure().subplots()
    points, _, (bars,) = draw_cells(
        axes, [0, 1, 2], [Cell(mean=3.0, low=2.0, high=5.0), Cell(mean=4.0), Cell(mean=1, low=2, high=3)]
    )
    assert points.get_xydata().tolist() == [[0, 3], [1, 4], [2, 1]]
    drawn = [[y for _, y in segment] for segment in bars.get_segments() if len(segment)]
    assert drawn[0] == [2, 5] and drawn[-1] == [1, 3], (
        "an interval that leaves out the mean begins at the mean"
    )
    assert not draw_cells(axes, [0], [Cell(mean=4.0)]).has_yerr


def test_a_shift_is_in_points_whatever_the_scale():
    figure = Figure(dpi=144)
    axes = figure.subplots()
    axes.set(xscale="log", xlim=(1, 1000))
    (plain, *_), (beside, *_) = (draw_cells(axes, [10], [Cell(mean=1.0)], shift) for shift in (0, 6))
    places = [line.get_transform().transform((10, 1.0))[0] for line in (plain, beside)]
    assert places[1] - places[0] == pytest.approx(6 / 72 * 144)


def test_moved_points_do_not_change_the_limits():
    axes = Figure().subplots()
    draw_cells(axes, [100, 300], [Cell(mean=20.0), Cell(mean=70.0, low=60, high=90)], 4)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert 50 < left < 100 and 300 < right < 350 and 10 < bottom < 20 and 90 < top < 100


def test_svg_is_self_contained_and_takes_the_text_colour(tmp_path):
    hostile = "<img src=x onerror=alert(1)> $x$ & \"id='y'\""
    for run in ("plain", hostile):
        for shots, value in ((0, 30.0), (4, 33.0)):
            write_vqa(tmp_path / run, shots, value)
    (plot,) = plots_of(*benchmark_tables(read_runs([tmp_path / "plain", tmp_path / hostile])))
    svgs = [plot.svg(number) for number in (1, 2)]
    assert svgs[0] == plot.svg(1)
    identities = []
    for svg in svgs:
        root = ElementTree.fromstring(svg)
        assert root.tag.endswith("svg") and "width" not in root.attrib and "viewBox" in root.attrib
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert not tags & {"img", "image", "script", "metadata", "a"}
        texts = [
            "".join(element.itertext()).strip() for element in root.iter() if element.tag.endswith("text")
        ]
        assert hostile in texts and "overall" in texts and "shots" in texts
        assert "currentColor" in svg and "#010203" not in svg
        found = {element.attrib["id"] for element in root.iter() if "id" in element.attrib}
        used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', svg))
        assert used and used <= found
        identities.append(found)
    assert not identities[0] & identities[1]


def test_no_two_runs_look_alike():
    assert len({tuple(look(place).items()) for place in range(49)}) == 49
