"""Names and labels of points."""

from __future__ import annotations

from pathlib import Path

import pytest

from frozenvl.sweep.grid import Point, SweepRun
from frozenvl.sweep.spec import read_spec

MAPPER, RATE = "model.mapper", "model.optimizer.init_args.lr"


@pytest.mark.parametrize(
    ("values", "name", "label"),
    [
        ({"model.k": 4}, "k4", "k 4"),
        ({"model.k": 4, "model.mapper.init_args.hidden": 512}, "k4-hidden512", "k 4, hidden 512"),
        ({RATE: 3e-4}, "lr0.0003", "lr 0.0003"),
        ({"data.blind": True}, "blindtrue", "blind true"),
        ({"model.tuning": None}, "tuningnull", "tuning null"),
        ({"model.schedule": "cosine"}, "schedulecosine", "schedule cosine"),
    ],
)
def test_a_plain_point_is_named_by_its_values(values, name, label):
    assert Point("", values).name == name and Point("", values).label == label
    assert Point("an arm/x", values).name == f"an_arm_x-{name}"


@pytest.mark.parametrize(
    "pair",
    [
        ({MAPPER: "frozenvl.model.mappers.MLP"}, {MAPPER: "mine.MLP"}),
        ({MAPPER: "a.B"}, {MAPPER: {"class_path": "a.B", "init_args": {"layers": 2}}}),
        ({RATE: 0.00123456}, {RATE: 0.00123457}),
        ({"model.a.lr": 1, "model.b.lr": 2}, {"model.b.lr": 1, "model.a.lr": 2}),
        ({"model.language": "a/b"}, {"model.language": "a_b"}),
        ({"model.k": "4"}, {"model.k": 4}),
        ({"model.k": 4.0}, {"model.k": 4}),
        ({"data.blind": "true"}, {"data.blind": True}),
        ({"x" * 90: "y" * 90}, {"x" * 90: "y" * 91}),
    ],
)
def test_different_points_never_share_a_folder(pair):
    one, other = (Point("", values) for values in pair)
    assert one.name != other.name and one.key != other.key


def test_classes_are_shown_by_their_names():
    point = Point(
        "", {MAPPER: {"class_path": "frozenvl.model.mappers.Transformer", "init_args": {"layers": 2}}}
    )
    assert point.label == "mapper Transformer (layers 2)"
    assert Point("", {"model.a.lr": 1, "model.b.lr": 2}).label == "model.a.lr 1, model.b.lr 2"


def test_a_run_comes_back_from_its_record():
    run = SweepRun(Point("x", {"model.k": 1}), 3)
    assert SweepRun.from_json(run.as_json()) == run and run.name == "x-k1-seed3"


def test_the_published_specifications_have_distinct_runs(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    for file in [
        *Path("experiments/prefix_length").glob("*.yaml"),
        Path("experiments/mapper_encoder/sweep.yaml"),
    ]:
        runs = read_spec(file).runs
        assert len({run.name for run in runs}) == len({run.key for run in runs}) == len(runs) > 1
