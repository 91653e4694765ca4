"""Commands of a run and their arguments."""

from __future__ import annotations

import pytest

from frozenvl.sweep.spec import read_spec
from frozenvl.sweep.trial import argument, arguments, checkpoint_of
from frozenvl.training.run_folder import note_saved

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


def test_the_checkpoint_of_a_run_may_be_elsewhere_or_lost(tmp_path):
    run, elsewhere = tmp_path / "run", tmp_path / "disk" / "last.ckpt"
    assert checkpoint_of(run) is None
    elsewhere.parent.mkdir()
    elsewhere.touch()
    note_saved(run, elsewhere)
    assert checkpoint_of(run) == elsewhere
    elsewhere.unlink()
    assert checkpoint_of(run) == "last"  # upon which `fit` and `validate` say what is missing
