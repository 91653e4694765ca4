"""Commands of a run and their arguments."""

from __future__ import annotations

import pytest
from running import CONFIG

from frozenvl.sweep.spec import read_spec
from frozenvl.sweep.trial import argument, arguments
from frozenvl.training.command_line import configuration_parser

RATE = "model.optimizer.init_args.lr"


def test_arguments(sweep):
    arms = {
        "x": {
            "set": {"model.k": 2, "data.blind": True},
            "points": [{RATE: 0.1, "model.rates": {"vision": 0.5}}],
        }
    }
    spec = read_spec(sweep.write(grid=None, arms=arms, set={"model.k": 1}, budget={"pairs": 640}))
    (run, *_) = spec.runs
    assert arguments(spec, run, {"data.root": "/x y"}, 64) == [
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
    steps = [next(a for a in arguments(spec, run, {}, 64) if "max_steps" in a) for run in spec.runs[:2]]
    assert steps == ["--trainer.max_steps=20", "--trainer.max_steps=3"]


@pytest.mark.parametrize(
    ("budget", "said"),
    [({"steps": 7}, "--trainer.max_steps=7"), ({"minutes": 1.5}, '--trainer.max_time={"seconds": 90}')],
)
def test_other_budgets(sweep, budget, said):
    spec = read_spec(sweep.write(budget=budget))
    assert said in arguments(spec, spec.runs[0], {}, 64)


def test_an_escaped_interpolation_of_a_sweep_reaches_its_runs_as_a_literal(sweep):
    template = "data.train.captions.template"
    values = {f"{template}.separator": [r"\${a}", "\\${b}\n"], f"{template}.stop": [[r"\${c}", "x"]]}
    spec = read_spec(
        sweep.write(config=str(CONFIG), set={f"{template}.induction": r"\${d.e} $1"}, grid=values)
    )
    parse = configuration_parser()
    found = [
        parse(arguments(spec, run, {}, 4))["data"]["train"]["captions"]["template"] for run in spec.runs[:2]
    ]
    assert {each["separator"] for each in found} == {"${a}", "${b}\n"}
    assert {(each["induction"], each["stop"]) for each in found} == {("${d.e} $1", ("${c}", "x"))}
