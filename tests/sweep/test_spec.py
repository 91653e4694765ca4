"""Specifications as users write them, and one error line for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from running import CONFIG

from frozenvl.sweep.spec import Arm, Range, argument, read_spec
from frozenvl.training.parsing import configuration_parser
from frozenvl.util.errors import UserError

RATE = "model.optimizer.init_args.lr"
SEARCH = {"grid": None, "search": {"model.k": {"low": 1, "high": 9}}, "trials": 3}


def test_a_grid(sweep):
    spec = read_spec(sweep.write(grid={"model.k": [1, 2], "model.lr": [0.1]}, seeds=[3, 4]))
    assert [run.name for run in spec.runs] == [f"k{k}-lr0.1-seed{seed}" for seed in (3, 4) for k in (1, 2)]
    assert (spec.direction, spec.validate, spec.folder, spec.storage) == (
        "maximize",
        1.0,
        Path("runs/try"),
        "",
    )


def test_grid_is_all_combinations():
    assert Arm(grid={"a": [1, 2], "b": [3, 4]}).values == [
        {"a": 1, "b": 3},
        {"a": 1, "b": 4},
        {"a": 2, "b": 3},
        {"a": 2, "b": 4},
    ]


def test_arms_have_their_own_points_or_those_of_the_sweep(sweep):
    arms = {"one": None, "two": {"set": {"data.blind": True}, "points": [{"model.k": 8}]}}
    spec = read_spec(sweep.write(arms=arms, seeds=[0], set={"model.x": 1}))
    assert [(run.point.arm, run.point.values) for run in spec.runs] == [
        ("one", {"model.k": 1}),
        ("one", {"model.k": 2}),
        ("two", {"model.k": 8}),
    ]
    assert spec.settings_of("two") == {"model.x": 1, "data.blind": True} and spec.settings_of("one") == {
        "model.x": 1
    }


def test_a_search(sweep):
    search = {"model.lr": {"low": 1e-4, "high": 1e-2, "log": True}, "model.k": [1, 2]}
    spec = read_spec(sweep.write(grid=None, search=search, trials=5, sampler="random"))
    assert spec.search == {"model.lr": Range(1e-4, 1e-2, True), "model.k": Range(choices=(1, 2))}
    assert spec.runs == [] and spec.keys == ["model.lr", "model.k"]


def test_a_class_path_stays_as_it_is_written(sweep):
    """jsonargparse fills in the defaults of classes that it finds in values of type Any."""
    named = {"class_path": "frozenvl.sweep.spec.Range", "init_args": {"low": 1, "high": 2}}
    spec = read_spec(sweep.write(set={"a": named, "b": [named]}, grid={"c": [named, "4"]}))
    assert spec.set == {"a": named, "b": [named]}
    assert [run.point.values["c"] for run in spec.runs[:2]] == [named, "4"]


def test_numbers_are_numbers(sweep):
    """PyYAML alone reads 1e-3 as text."""
    path = Path("sweep.yaml")
    path.write_text("config: base.yaml\ngrid: {model.lr: [1e-3, 3e-3]}\nmetric: val/loss\n")
    spec = read_spec(path)
    assert [run.point.values["model.lr"] for run in spec.runs] == [0.001, 0.003]
    assert spec.direction == "minimize" and spec.name == "sweep" and spec.seeds == (0,)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gird": {}}, "gird: no such key; did you mean grid?"),
        ({"config": None}, "config is missing"),
        ({"metric": None}, "metric is missing"),
        ({"config": "nowhere.yaml"}, "config names nowhere.yaml, which is not there"),
        ({"config": 3}, "config is 3; write a YAML file, or a list of files"),
        (
            {"validate": "abc"},
            "validate is 'abc'; write a share of the validation, up to 1.0, or a number of batches",
        ),
        ({"validate": 1.5}, "validate is 1.5"),
        ({"validate": 0}, "validate is 0"),
        ({"config": ["base.yaml", "no.yaml"]}, "config names no.yaml"),
        ({"grid": None}, "grid is missing; write a mapping of dotted keys to the lists of values to run"),
        ({"grid": {}}, "grid is {}; write a mapping"),
        (
            {"grid": {"model.k": []}},
            "grid is {'model.k': []}; write a mapping of dotted keys to the lists of values",
        ),
        (
            {"grid": {"model.k": 3}},
            "grid is {'model.k': 3}; write a mapping of dotted keys to the lists of values",
        ),
        ({"grid": {"model.k": [1, 1]}}, "lists k 1 twice"),
        ({"points": [{"model.k": 1}]}, "grid and points do not go together"),
        ({"grid": None, "points": []}, "grid is missing"),
        ({"grid": None, "points": [3]}, "points is [3]; write a list of mappings"),
        ({"grid": None, "points": [{}]}, "points is [{}]; write a list of mappings"),
        ({"arms": {"x": {"gird": {}}}}, "arms.x.gird: no such key; did you mean grid?"),
        ({"arms": {"x": 3}}, "arms.x is 3"),
        ({"arms": {"x": {"grid": {"model.k": []}}}}, "arms.x.grid is {'model.k': []}"),
        ({"seeds": []}, "seeds is []"),
        ({"seeds": [0, "a"]}, "write a list of different whole numbers: [0, 1, 2]"),
        ({"seeds": [1, 1]}, "seeds is [1, 1]; write a list of different whole numbers"),
        ({"budget": {"pears": 3}}, "budget is {'pears': 3}; write one of {pairs: 3840}"),
        ({"budget": {"pairs": 0}}, "budget is {'pairs': 0}; write one of"),
        ({"budget": 3}, "budget is 3"),
        ({"budget": {"pairs": 1, "steps": 1}}, "write one of"),
        ({"metric": "CIDEr"}, "write EVALUATION/SCORE"),
        ({"direction": "maximise"}, "direction is 'maximise'; write maximize or minimize"),
        ({"trials": 3}, "trials belongs to search"),
        ({"sampler": "tpe"}, "sampler belongs to search"),
        ({"pruner": "meridian"}, "pruner is 'meridian'; write median, halving or hyperband"),
        ({"grid": {"seed_everything": [1, 2]}}, "seed_everything is not for a sweep to set; list seeds"),
        ({"set": {"name": "x"}}, "name is not for a sweep to set"),
        ({"set": [1]}, "set is [1]; write a mapping of dotted keys"),
        (SEARCH | {"trials": None}, "trials is missing; write how many points a search tries"),
        (SEARCH | {"sampler": "tpee"}, "sampler is 'tpee'; write tpe or random"),
        (SEARCH | {"grid": {"model.k": [1]}}, "search and grid do not go together"),
        (
            SEARCH | {"search": {"model.k": {"low": 2, "high": 1}}},
            "search.model.k.high is 1; write a number above low",
        ),
        (SEARCH | {"search": {"model.k": {"low": 0, "high": 1, "log": True}}}, "with log, low is above 0"),
        (
            SEARCH | {"search": {"model.k": {"low": 1, "hihg": 1}}},
            "search.model.k.hihg: no such key; did you mean high?",
        ),
        (
            SEARCH | {"search": {"model.k": [[1]]}},
            "search.model.k.choices is [[1]]; write a list of numbers, texts",
        ),
        (SEARCH | {"pruner": "median"}, "a pruner looks at one run a trial"),
    ],
)
def test_each_mistake_is_one_error_line(sweep, changes, said):
    with pytest.raises(UserError) as error:
        read_spec(sweep.write(**changes))
    assert said in str(error.value) and str(error.value).startswith("sweep.yaml: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["- 1\n", "a: [1,\nb: }", "grid: {}\ngrid: {}\n", "", "\xff"])
def test_a_file_that_is_not_a_mapping_is_refused(sweep, text):
    Path("sweep.yaml").write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=r"^sweep\.yaml: [^\n]+$"):
        read_spec(Path("sweep.yaml"))


def test_a_missing_file_is_refused(sweep):
    with pytest.raises(UserError, match=r"no\.yaml: no such sweep"):
        read_spec(Path("no.yaml"))


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        *(({key: None}, key) for key in ("seeds", "budget", "validate", "storage", "set", "points", "arms")),
        ({"arms": {"a": {"grid": None}}}, "arms.a.grid"),
        ({"grid": {}, "search": {"model.k": {"low": 1, "high": None}}}, "search.model.k.high"),
    ],
)
def test_a_null_is_refused_where_the_key_has_a_value(sweep, changes, key):
    content = yaml.safe_load(sweep.write().read_text()) | changes
    Path("sweep.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=rf"^sweep.yaml: {key} is null \(its value is missing\)"):
        read_spec(Path("sweep.yaml"))


def test_arguments(sweep):
    arms = {
        "x": {
            "set": {"model.k": 2, "data.blind": True},
            "points": [{RATE: 0.1, "model.rates": {"vision": 0.5}}],
        }
    }
    spec = read_spec(sweep.write(grid=None, arms=arms, set={"model.k": 1}, budget={"pairs": 640}))
    (run, *_) = spec.runs
    assert spec.arguments(run, {"data.root": "/x y"}, 64) == [
        "--config=base.yaml",
        "--model.k=2",
        "--data.blind=true",
        f"--{RATE}=0.1",
        '--model.rates={"vision": 0.5}',
        "--trainer.max_steps=10",
        "--data.root=/x y",
        f"--name=try/{run.name}",
        "--seed_everything=0",
    ]
    assert argument("a", "text") == "--a=text" and argument("a", None) == "--a=null"


def test_pairs_are_counted_in_the_batches_of_the_point(sweep):
    spec = read_spec(sweep.write(grid={"data.batch_size": [16, 100]}, budget={"pairs": 320}))
    steps = [next(a for a in spec.arguments(run, {}, 64) if "max_steps" in a) for run in spec.runs[:2]]
    assert steps == ["--trainer.max_steps=20", "--trainer.max_steps=3"]


@pytest.mark.parametrize(
    ("budget", "said"),
    [({"steps": 7}, "--trainer.max_steps=7"), ({"minutes": 1.5}, '--trainer.max_time={"seconds": 90}')],
)
def test_other_budgets(sweep, budget, said):
    spec = read_spec(sweep.write(budget=budget))
    assert said in spec.arguments(spec.runs[0], {}, 64)


def test_an_escaped_interpolation_of_a_sweep_reaches_its_runs_as_a_literal(sweep):
    template = "data.train.captions.template"
    values = {f"{template}.separator": [r"\${a}", "\\${b}\n"], f"{template}.stop": [[r"\${c}", "x"]]}
    spec = read_spec(
        sweep.write(config=str(CONFIG), set={f"{template}.induction": r"\${d.e} $1"}, grid=values)
    )
    parse = configuration_parser()
    found = [
        parse(spec.arguments(run, {}, 4))["data"]["train"]["captions"]["template"] for run in spec.runs[:2]
    ]
    assert {each["separator"] for each in found} == {"${a}", "${b}\n"}
    assert {(each["induction"], each["stop"]) for each in found} == {("${d.e} $1", ("${c}", "x"))}
