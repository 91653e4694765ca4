"""Inputs of a run: its precision, and whether it reads pixels or features."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest
from own_objective import Pixels
from running import one_line

from frozenvl.data.sources.scenes import SceneCaptions
from frozenvl.data.stream import Task
from frozenvl.objectives import Captioning
from frozenvl.training import inputs
from frozenvl.training.inputs import (
    Inputs,
    adopt_precision,
    check_needs,
    keeps_features,
    prepare_inputs,
    tasks_by_objective,
)
from frozenvl.util.errors import UserError


@pytest.fixture
def recorded(monkeypatch) -> Path:
    """Checkpoint trained in bf16."""
    monkeypatch.setattr(inputs, "read_checkpoint", lambda path, mmap: {"frozenvl": {"precision": "bf16"}})
    return Path("a.ckpt")


@pytest.mark.parametrize("resumes", [False, True])
def test_auto_is_the_precision_of_the_checkpoint(recorded, resumes):
    module = SimpleNamespace(precision="auto")
    adopt_precision(module, recorded, resumes)
    assert module.precision == "bf16"


def test_another_precision_is_refused_only_for_resumed_runs(recorded):
    module = SimpleNamespace(precision="fp32")
    adopt_precision(module, recorded, resumes=False)
    adopt_precision(module, None, resumes=True)
    assert module.precision == "fp32"
    with pytest.raises(UserError, match=r"trained in bf16, .*; drop model.precision"):
        adopt_precision(module, recorded, resumes=True)


def encoder(stage: str = "pixels", trainable: bool = False) -> SimpleNamespace:
    reader = lambda scaled=True: SimpleNamespace(stage=stage)
    return SimpleNamespace(reader=reader, trainable=trainable, name="encoder")


def test_features_are_cached_for_frozen_encoders_without_random_augmentation():
    for stage, trainable, wanted in product(("pixels", "features"), (False, True), (False, True)):
        looks = stage == "pixels" and not trainable and wanted
        for augmentation, views, few in ((None, None, True), ("turn", None, False), ("turn", 2, True)):
            assert keeps_features(encoder(stage, trainable), wanted, augmentation, views) == (looks and few)


def test_an_objective_without_its_pixels_is_named_with_the_fix():
    check_needs({"a": Captioning()}, "")
    with pytest.raises(UserError, match=r"^model.objectives.b needs pixels, but drop it$"):
        check_needs({"a": Captioning(), "b": Pixels()}, "drop it")


def tasks(**objectives) -> dict[str, Task]:
    return {name: Task(SceneCaptions(size=2), objectives=wanted) for name, wanted in objectives.items()}


def test_each_objective_gets_its_own_tasks():
    data = SimpleNamespace(train=tasks(all=None, one=["a"], two=["a", "b"]), val={})
    found = tasks_by_objective(["a", "b"], ["a", "b", "unused"], data)
    assert {name: [*own] for name, own in found.items()} == {"a": ["all", "one", "two"], "b": ["all", "two"]}


@pytest.mark.parametrize(
    ("train", "val", "message"),
    [
        (
            {"x": ["a"]},
            {},
            "^model.objectives.b: no task of data.train is for it; name it in a task's objectives",
        ),
        (
            {"x": ["c"]},
            {},
            r"^data.train.x.objectives: no objective 'c' in model.objectives \(there are: a, b\)",
        ),
        ({"x": None}, {"y": ["a", "c"]}, "^data.val.y.objectives: no objective 'c'"),
    ],
)
def test_tasks_that_do_not_fit_the_objectives_are_refused(train, val, message):
    with pytest.raises(UserError, match=message):
        tasks_by_objective(["a", "b"], ["a", "b"], SimpleNamespace(train=tasks(**train), val=tasks(**val)))


def test_rows_are_made_once_with_the_processor_and_the_objectives():
    made = Inputs(processor := object(), {"a": Captioning()})
    assert made.rows is made.rows and made.rows.process is processor and made.rows.objectives.keys() == {"a"}


class Model(SimpleNamespace):
    """Stand-in for a model that records its calls."""

    low_precision = False

    def hold_frozen_in_bf16(self) -> None:
        self.low_precision = True

    def processor(self, tokens: int, reader: SimpleNamespace, positions: int | None) -> tuple:
        return tokens, reader.stage, positions


@pytest.fixture
def run():
    """Function that prepares inputs without a feature cache: `run(stage, precision, augmentation=…)`."""

    def prepare(
        stage: str = "pixels", precision: str = "fp32", objective=None, **data
    ) -> tuple[Model, Inputs]:
        model = Model(vision=encoder(stage), objectives={"a": objective or Captioning()}, heads={})
        module = SimpleNamespace(model=model, precision=precision, max_target_tokens=9, max_positions=70)
        trainer = SimpleNamespace(strategy=None)
        settings = {
            "scaled_decoding": False,
            "augmentation": None,
            "cache_features": False,
            "views": None,
            "train": {},
            "val": {},
        } | data
        return model, prepare_inputs(trainer, module, SimpleNamespace(**settings))

    return prepare


def test_processor_decoding_and_precision_of_a_run(run):
    model, made = run()
    assert made.processor == (9, "pixels", 70) and model.scaled_decoding is False and not model.low_precision
    assert run("features")[1].processor == (9, "features", 70)
    assert run(precision="bf16")[0].low_precision


def test_options_that_need_pixels_are_refused_for_precomputed_features(run):
    with pytest.raises(UserError, match=r"data.augmentation changes pixels, but encoder has features alone"):
        run("features", augmentation="turn")
    with pytest.raises(UserError, match=r"model.objectives.a needs pixels, but encoder has features alone"):
        run("features", objective=Pixels())
    with pytest.raises(UserError, match=r"model.objectives.a needs pixels, but data.cache_features"):
        run(objective=Pixels(), cache_features=True)


def test_a_template_that_spells_a_special_token_is_refused_before_the_fit(frozenvl, capfd):
    assert frozenvl("fit", "--data.val.captions.template.query", "{image}<end>") == 2
    line = one_line(capfd.readouterr().err)
    assert line.startswith("template.query spells '<end>', a special token")
    assert not list(Path("runs").glob("*/checkpoints/*"))
