"""User-defined parts, each in a file outside the package: encoder, mapper, objective, fusion, source, module."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from own_fusion import GatedAdd
from running import CONFIG, checkpoint, history, one_line, same_weights, score

from frozenvl.cli import main
from frozenvl.model.frozen import FrozenVL
from frozenvl.training.trained_run import load_trained

OWN = Path(__file__).with_name("own")
SHORT = ("--trainer.max_steps", 2, "--trainer.val_check_interval", 2, "--model.schedule", "constant")
CAPTIONING = {"class_path": "frozenvl.objectives.Captioning", "init_args": {"weight": 0.5}}
SOURCE = {"class_path": "own_source.Squares"}
PARTS = {
    "encoder": ("--model.vision", "own_encoder.Cells", "--model.vision.channels", 4),
    "trained encoder": ("--model.vision", "own_encoder.Cells", "--model.vision.trainable", "true"),
    "mapper": ("--model.mapper", "own_mapper.Mean", "--model.mapper.scale", 0.5),
    "objective": (
        "--model.objectives",
        json.dumps({"a": CAPTIONING, "b": {"class_path": "own_objective.Alignment"}}),
    ),
    "fusion": ("--model.fusion", "own_fusion.GatedAdd", "--model.fusion.gate", 0.1),
    "module": ("--model", "own_module.Doubled", "--model.factor", 3),
}
"""Part → options that name its class and one of its arguments."""


def test_each_part_is_one_short_file():
    files = sorted(OWN.glob("own_*.py"))
    assert len(files) == 6
    for file in files:
        assert len(file.read_text().splitlines()) < 80, file.name


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.nightly) if kind == "encoder" else kind for kind in PARTS]
)
def test_a_part_by_class_path_is_trained_saved_exported_and_resumed(frozenvl, kind):
    models = frozenvl.models[:2] if "encoder" in kind else frozenvl.models
    frozenvl.models = [*models, *map(str, PARTS[kind])]
    assert frozenvl("fit", *SHORT) == 0
    first = checkpoint("tiny")
    assert (
        frozenvl("fit", "--trainer.max_steps", 3, "--ckpt_path", "last", "--trainer.limit_val_batches", 0)
        == 0
    )
    assert checkpoint("tiny")["global_step"] == 3 and not same_weights(first, checkpoint("tiny"))
    assert main(["export", "runs/tiny", "exported"]) == 0
    trained, exported = load_trained(Path("runs/tiny")), FrozenVL.from_pretrained("exported")
    assert exported.trained_weights().keys() == trained.module.model.trained_weights().keys()
    for name, weight in trained.module.model.trained_weights().items():
        assert weight.equal(exported.trained_weights()[name]), name


def test_a_source_is_trained_on_and_evaluated(frozenvl):
    data = yaml.safe_load(CONFIG.read_text())["data"]
    data["train"]["captions"]["source"] = data["val"]["captions"]["source"] = SOURCE
    Path("own.yaml").write_text(yaml.safe_dump({"data": data}))
    assert frozenvl("fit", *SHORT, "--config", "own.yaml") == 0
    assert score("tiny", "captions")["samples"] == 5
    assert main(["data", "check", "own_source.Squares", "--size", "5"]) == 0


def test_a_bad_source_is_one_error_line(frozenvl, capfd):
    data = yaml.safe_load(CONFIG.read_text())["data"]
    data["train"]["captions"]["source"] = {"class_path": "own_source.Holes"}
    Path("own.yaml").write_text(yaml.safe_dump({"data": data}))
    assert frozenvl("fit", *SHORT, "--config", "own.yaml") == 2
    message = one_line(capfd.readouterr().err)
    assert "own_source.Holes: example 2 is None; its __getitem__ has to return a" in message
    assert not Path("runs/tiny/checkpoints").exists()


def test_a_module_decides_what_is_optimised(frozenvl):
    """The module multiplies the loss by a factor: the first logged loss is the same, the weights after SGD are not."""
    sgd = (
        "--model.optimizer",
        "torch.optim.SGD",
        "--model.optimizer.lr",
        0.01,
        "--trainer.limit_val_batches",
        0,
    )
    once = (
        "--trainer.max_steps",
        1,
        "--model.mapper",
        "probes.SameStart",
        "--model.schedule",
        "constant",
        *sgd,
    )
    assert frozenvl("fit", *once, "--trainer.max_steps", 2, name="plain") == 0
    frozenvl.models += list(map(str, PARTS["module"]))
    assert frozenvl("fit", *once, "--trainer.max_steps", 2, name="mine") == 0
    plain, mine = (history(name)[0] for name in ("plain", "mine"))
    assert plain["train/loss"] == mine["train/loss"]
    config = yaml.safe_load(Path("runs/mine/config.yaml").read_text())["model"]
    assert (config["class_path"], config["init_args"]["factor"]) == ("own_module.Doubled", 3)
    assert not same_weights(checkpoint("plain"), checkpoint("mine"))
    last = ("--ckpt_path", "runs/mine/checkpoints/last.ckpt")
    assert main(["validate", "--config", "runs/mine/config.yaml", *last]) == 0


def planned(frozenvl, *options) -> int:
    return main(
        ["plan", "--config", str(CONFIG), *frozenvl.models, "--peak", "1e12", "--json", *map(str, options)]
    )


@pytest.mark.nightly
def test_a_plan_runs_any_objective_or_says_that_it_cannot(frozenvl, capfd):
    assert planned(frozenvl) == 0
    (alone,) = json.loads(capfd.readouterr().out)
    assert planned(frozenvl, *PARTS["objective"]) == 0
    (both,) = json.loads(capfd.readouterr().out)
    assert both["operations"] > 1.2 * alone["operations"] and both["trained"] > alone["trained"]
    assert planned(frozenvl, "--model.objectives.long", "probes.LongTargets") == 2
    line = one_line(capfd.readouterr().err)
    assert "model.objectives (long) cannot be planned: one reads the content of tensors" in line


def test_a_class_that_is_not_a_module_is_refused(frozenvl, capfd):
    assert frozenvl("fit", *SHORT, "--model", "own_mapper.Mean") == 2
    line = one_line(capfd.readouterr().err)
    assert line == "model: own_mapper.Mean does not correspond to a subclass of FrozenModule; name one"
    assert frozenvl("fit", *SHORT, "--model", "nowhere.Module") == 2
    assert "name a class by the path from which Python imports it" in one_line(capfd.readouterr().err)


def test_a_checkpoint_of_another_fusion_is_refused(frozenvl, capfd):
    assert frozenvl("fit", *SHORT, "--trainer.limit_val_batches", 0) == 0
    other = ("--init_from", "runs/tiny/checkpoints/last.ckpt", "--model.fusion", "own_fusion.GatedAdd")
    assert frozenvl("fit", *SHORT, *other, name="other") == 2
    line = one_line(capfd.readouterr().err)
    assert (
        "was trained with fusion = concat, this model has own_fusion.GatedAdd; use the configuration" in line
    )
    assert not Path("runs/other").exists()


def test_a_fusion_whose_gate_is_closed_is_concatenation(tiny_trained_model):
    model, batch = tiny_trained_model
    expected = model.run(batch).features, [hidden for _, hidden in model.run(batch).hidden()]
    model.fusion = GatedAdd(gate=0.0)
    model.fusion.attach(model.language)
    closed = [hidden for _, hidden in model.run(batch).hidden()]
    assert all(torch.equal(*pair) for pair in zip(closed, expected[1], strict=True))
    with torch.no_grad():
        model.fusion.gate.fill_(1.0)
    opened = [hidden for _, hidden in model.run(batch).hidden()]
    assert not any(torch.equal(*pair) for pair in zip(opened, expected[1], strict=True))


@pytest.fixture
def tiny_trained_model(tiny_run):
    trained = load_trained(tiny_run)
    from own_source import Square

    batch = trained.processor([(Square("red"), "a word"), ("no image",), ("text ", Square("blue"), " more")])
    assert json.dumps(trained.module.model.identity())
    return trained.module.model.eval(), batch
