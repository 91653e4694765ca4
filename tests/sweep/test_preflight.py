"""Checks before a sweep runs, with the parser of the real command."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from running import CONFIG

from frozenvl.sweep.preflight import open_sweep
from frozenvl.sweep.spec import read_spec
from frozenvl.sweep.state import read_record
from frozenvl.util.errors import UserError


@pytest.fixture(scope="module")
def parse():
    from frozenvl.training.parsing import configuration_parser

    return configuration_parser()


@pytest.fixture
def open_(sweep, parse):
    """Function that writes a specification of a real configuration, and opens it."""
    shutil.copy(CONFIG, "base.yaml")
    return lambda options=None, **changes: open_sweep(
        read_spec(sweep.write(**changes)), options or {}, lambda: parse
    )


def saving(**settings: object) -> dict:
    """Returns a ModelCheckpoint that keeps the last checkpoint."""
    kind = "lightning.pytorch.callbacks.ModelCheckpoint"
    return {"class_path": kind, "init_args": {"save_last": True} | settings}


def refused(open_, options=None, **changes) -> str:
    with pytest.raises(UserError) as error:
        open_(options, **changes)
    assert "\n" not in str(error.value) and not Path("runs/try/sweep.yaml").exists()
    return str(error.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"grid": {"model.kk": [1]}}, "model.kk is not in the configuration; did you mean model.k?"),
        ({"grid": {"k": [1]}}, "k is not in the configuration; did you mean model.k?"),
        (
            {"grid": {"model.mapper.hidden": [1]}},
            "model.mapper.hidden is not in the configuration; did you mean model.mapper.init_args.hidden?",
        ),
        (
            {"set": {"trainer.max_step": 3}},
            "trainer.max_step is not in the configuration; did you mean trainer.max_steps?",
        ),
        ({"grid": {"model.mapper.init_args.hiden": [1]}}, "'hiden' is not accepted"),
        ({"grid": {"model.k": ["three"]}}, "model.k"),
        ({"grid": {"model.mapper": ["frozenvl.model.mappers.Nope"]}}, "Nope"),
        ({"arms": {"x": {"set": {"model.kk": 1}}}}, "model.kk is not in the configuration"),
        ({"grid": None, "search": {"model.kk": [1]}, "trials": 1}, "model.kk is not in the configuration"),
        ({"metric": "caption/CIDEr"}, "no evaluation of that name; did you mean captions?"),
        ({"metric": "captions/CIDER"}, "metric is captions/CIDER, but its score is spelt CIDEr"),
        ({"metric": "captions/BLEU-4"}, "metric is captions/BLEU-4, but its score is spelt Bleu_4"),
        ({"set": {"trainer.callbacks": []}}, "config keeps no last checkpoint"),
        ({"set": {"trainer.callbacks": [saving(save_weights_only=True)]}}, "config keeps no last checkpoint"),
        (
            {"set": {"trainer.callbacks": [saving(dirpath="/disk/all")]}},
            "ModelCheckpoint.dirpath is /disk/all for all runs of the sweep",
        ),
    ],
)
def test_a_setting_that_cannot_work_is_one_error_line(open_, changes, said):
    assert said in refused(open_, **changes)


def test_a_base_configuration_that_is_not_yaml_is_one_error_line(sweep, parse):
    spec = read_spec(sweep.write())
    Path("base.yaml").write_text("model: {k: [")
    with pytest.raises(UserError, match=r"^config base.yaml: not YAML \(.*\)$"):
        open_sweep(spec, {}, lambda: parse)


def test_of_two_sweeps_that_start_in_one_folder_at_once_one_is_refused(open_, sweep, parse):
    open_()
    record = Path("runs/try/sweep.yaml")
    record.unlink()
    first, second = (read_spec(sweep.write(set={"model.schedule": kind})) for kind in ("cosine", "linear"))

    def parse_slowly():
        if not record.exists():
            open_sweep(second, {}, lambda: parse)
        return parse

    with pytest.raises(UserError, match=r"two sweeps in one folder: .* set.model.schedule = 'linear'"):
        open_sweep(first, {}, parse_slowly)


@pytest.mark.parametrize("key", ["model.k", "model.schedule", "trainer.max_steps"])
def test_options_of_the_machine_cannot_set_keys_of_the_sweep(open_, key):
    said = refused(open_, {key: "1"}, set={"model.schedule": "cosine"}, budget={"steps": 3})
    assert f"--set {key}: the sweep itself sets it" in said


def test_options_of_the_machine_are_checked_too(open_):
    assert "data.rot is not in the configuration; did you mean data.root?" in refused(
        open_, {"data.rot": "x"}
    )


def test_classes_and_their_own_options_may_vary(open_):
    points = [
        {"model.mapper": "frozenvl.model.mappers.Linear"},
        {"model.mapper": "frozenvl.model.mappers.Transformer", "model.mapper.init_args.layers": 2},
        {"model.mapper": {"class_path": "frozenvl.model.mappers.MLP", "init_args": {"hidden": 3}}},
    ]
    assert open_(grid=None, points=points) == 8, "the batch size of the base"


def test_only_new_points_are_parsed(open_, parse, sweep):
    open_()

    def none():
        raise AssertionError("nothing is new")

    assert open_sweep(read_spec(sweep.write(seeds=[0, 5])), {}, none) == 8
    parsed: list = []
    watched = lambda: lambda arguments: parsed.append(arguments) or parse(arguments)
    open_sweep(read_spec(sweep.write(grid={"model.k": [1, 2, 3]})), {}, watched)
    assert [[a for a in arguments if "model.k" in a] for arguments in parsed] == [["--model.k=3"], []]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"budget": {"steps": 3}}, "budget = None, this one has ['steps', 3]"),
        ({"set": {"model.schedule": "linear"}}, "set.model.schedule = nothing, this one has 'linear'"),
        ({"validate": 0.5}, "validate = 1.0, this one has 0.5"),
        ({"arms": {"x": {"set": {"model.k": 2}}}}, "arms.x.set.model.k = 1, this one has 2"),
    ],
)
def test_another_sweep_in_the_same_folder_is_refused(open_, changes, said):
    arms = {"arms": {"x": {"set": {"model.k": 1}}, "y": {}}, "grid": {"data.batch_size": [1, 2]}}
    open_(**arms)
    with pytest.raises(UserError) as error:
        open_(**(arms | changes))
    assert f"runs/try: two sweeps in one folder: the runs there have {said}; give it another name" in str(
        error.value
    )


def test_a_changed_base_configuration_is_refused(open_):
    open_()
    content = yaml.safe_load(Path("base.yaml").read_text())
    content["model"]["optimizer"]["init_args"]["lr"] = 0.5
    Path("base.yaml").write_text("# said otherwise\n" + yaml.safe_dump(content))
    read = read_spec(Path("sweep.yaml"))
    with pytest.raises(
        UserError, match=r"config\.model\.optimizer\.init_args\.lr = 0\.01, this one has 0\.5"
    ):
        open_sweep(read, {}, lambda: pytest.fail("refused before"))


def test_a_reformatted_base_configuration_is_accepted(open_):
    open_()
    Path("base.yaml").write_text(
        "# a remark\n" + yaml.safe_dump(yaml.safe_load(Path("base.yaml").read_text()))
    )
    open_()


def test_values_seeds_and_arms_may_be_added_and_removed(open_):
    one, two = {"one": {}}, {"two": {"set": {"model.schedule": "linear"}}}
    open_(arms=one)
    open_(arms=one | two, grid={"model.k": [1, 9]}, seeds=[0, 1, 2])
    open_(arms=two, metric="val/loss")
    assert read_record(Path("runs/try"))["spec"]["metric"] == "val/loss"


def test_a_search_may_get_more_trials_but_no_other_range(open_):
    search = {"grid": None, "search": {"model.k": {"low": 1, "high": 4}}, "seeds": [0]}
    open_(**search, trials=2)
    open_(**search, trials=9)
    wider = search | {"search": {"model.k": {"low": 1, "high": 5}}}
    with pytest.raises(UserError, match=r"search\.model\.k\.high = 4, this one has 5"):
        open_(**wider, trials=9)


def test_the_folder_of_a_run_is_refused(open_):
    Path("runs/try/checkpoints").mkdir(parents=True)
    assert "runs/try: holds a run, not a sweep; give the sweep another name" in refused(open_)


def test_a_damaged_record_is_refused(open_):
    open_()
    Path("runs/try/sweep.yaml").write_text("[")
    with pytest.raises(UserError, match=r"runs/try/sweep\.yaml: not a sweep's record"):
        open_()


def test_each_run_may_have_a_folder_for_its_checkpoints_elsewhere(open_):
    captions = {"class_path": "frozenvl.evaluation.Captions", "init_args": {"task": "captions"}}
    content = yaml.safe_load(Path("base.yaml").read_text())
    content["trainer"]["callbacks"] = [captions, saving(dirpath="/disk/${name}")]
    Path("base.yaml").write_text(yaml.safe_dump(content))
    assert open_() == 8
