"""Configurations before they are parsed: class of the module, repeated keys, and errors in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from own_module import Doubled
from running import CONFIG, one_line

from frozenvl.training.configuration import StrictLoader, contents, module_spec, names_module
from frozenvl.training.module import FrozenModule
from frozenvl.training.parsing import configuration_parser
from frozenvl.util.errors import UserError


def test_two_objectives_of_one_name_are_refused(frozenvl, capfd):
    Path("twice.yaml").write_text(
        "model:\n  objectives:\n    a: frozenvl.objectives.Captioning\n    a: own_objective.Alignment\n"
    )
    assert frozenvl("fit", "--config", "twice.yaml") == 2
    assert "twice.yaml: line 4: a stands twice in one mapping" in one_line(capfd.readouterr().err)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: {c: 1, c: 2}\n", "line 2: c stands twice in one mapping; rename or remove one"),
        ("- a: 1\n  a: 1\n", "line 2: a stands twice"),
        ("a: 1\nb: 2\na: {}\n", "line 3: a stands twice"),
    ],
)
def test_a_repeated_key_is_refused(text, message):
    with pytest.raises(UserError, match=message):
        yaml.load(text, StrictLoader)


def test_other_mappings_are_read_unchanged():
    text = "x: &x {a: 1}\ny: {<<: *x, b: 2}\nz: [{a: 1}, {a: 2}]\n"
    assert yaml.load(text, StrictLoader) == yaml.safe_load(text)
    assert yaml.load("a: {a: {a: 1}}", StrictLoader) == {"a": {"a": {"a": 1}}}


def test_files_and_json_values_in_arguments_are_read(tmp_path):
    (tmp_path / "a.yaml").write_text("model: {k: 3}")
    arguments = ["fit", f"--config={tmp_path}/a.yaml", "--model", '{"k": 4}', "--data", "{broken"]
    assert list(contents(arguments)) == [
        (f"{tmp_path}/a.yaml", {"model": {"k": 3}}),
        ("--model", {"k": 4}),
    ]
    with pytest.raises(UserError, match=r"^--model: line 1: k stands twice"):
        list(contents(["--model", '{"k": 1, "k": 2}']))
    assert list(contents(["--config", "nowhere.yaml"])) == [("--config", None)]


@pytest.mark.parametrize("content", [b"model: [1", b"model: {k: 4\n", b"\x89PNG\r\n\x1a\n\0", b"a: !own 1"])
def test_a_file_that_is_not_yaml_is_named(frozenvl, capfd, content):
    Path("broken.yaml").write_bytes(content)
    assert frozenvl("fit", "--config", "broken.yaml") == 2
    line = one_line(capfd.readouterr().err)
    assert line.startswith("broken.yaml is not YAML: ") and line.endswith("; mend it")


@pytest.mark.parametrize("content", ["- model", "words", "3", "", "# all is commented out"])
def test_a_file_that_holds_no_mapping_is_named(tmp_path, content):
    (tmp_path / "list.yaml").write_text(content)
    with pytest.raises(UserError, match=r"list.yaml: holds .*; a configuration is a mapping, such as"):
        names_module(["fit", "--config", f"{tmp_path}/list.yaml"])


def test_unknown_keys_whose_value_is_an_empty_mapping_are_refused(tmp_path):
    """jsonargparse ignores such keys; known keys and arguments of classes may be empty."""
    parse, path = configuration_parser(), tmp_path / "x.yaml"
    for text in (
        "model: {rates: {}}",
        "model: {mapper: {class_path: frozenvl.model.mappers.Linear, init_args: {}}}",
        "{}",
    ):
        path.write_text(text)
        assert "model" in parse(["--config", str(CONFIG), "--config", str(path)])
    for text, key in (
        ("{modle: {}}", "modle"),
        ("model: {a: {b: {}}}", "model.a"),
        ("model: {kk: {}}", "model.kk"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=f"^{key}[.b]* is not in the configuration; "):
            parse(["--config", str(CONFIG), "--config", str(path)])
    with pytest.raises(UserError, match=r"^data.kk is not in the configuration; "):
        parse(["--config", str(CONFIG), "--data", '{"kk": {}}'])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--model.k", "3"], False),
        (["--model", "own_module.Doubled"], True),
        (["--model=own_module.Doubled"], True),
        (["--model.class_path", "own_module.Doubled"], True),
        (["--model.class_paths", "x"], False),
        (["--config", "plain.yaml"], False),
        (["--config", "own.yaml"], True),
        (["--config=own.yaml"], True),
    ],
    ids=str,
)
def test_a_class_of_module_in_the_arguments_is_detected(tmp_path, monkeypatch, arguments, named):
    monkeypatch.chdir(tmp_path)
    Path("plain.yaml").write_text("model: {k: 3, mapper: {class_path: x}}")
    Path("own.yaml").write_text("model: {class_path: own_module.Doubled}")
    assert names_module(["fit", *arguments]) is named


def test_the_class_of_a_module_and_its_arguments():
    assert module_spec({"k": 3}) == (FrozenModule, {"k": 3})
    assert module_spec({"class_path": "own_module.Doubled"}) == (Doubled, {})
    named = {"class_path": "own_module.Doubled", "init_args": {"factor": 3}}
    assert module_spec(named) == (Doubled, {"factor": 3})
    with pytest.raises(UserError, match=r"model: nowhere.Nope cannot be imported .*; run from the folder"):
        module_spec({"class_path": "nowhere.Nope"})
    with pytest.raises(
        UserError, match=r"model: frozenvl.model.mappers.MLP is no subclass of .*FrozenModule"
    ):
        module_spec({"class_path": "frozenvl.model.mappers.MLP"})


@pytest.fixture(scope="module")
def parse():
    return configuration_parser()


SOURCE = "class_path: frozenvl.data.sources.scenes.SceneCaptions"
CHECKPOINTS = "class_path: lightning.pytorch.callbacks.ModelCheckpoint"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("model: {k: }", "model.k"),
        ("model: {precision: null}", "model.precision"),
        ("data: {overlap: ~}", "data.overlap"),
        ("trainer: {max_steps: }", "trainer.max_steps"),
        ("{overwrite: , name: x}", "overwrite"),
        ("model: {mapper: }", "model.mapper"),
        ("model: {mapper: {init_args: {hidden: }}}", "model.mapper.init_args.hidden"),
        ("model: {vision: {init_args: {grid: }}}", "model.vision.init_args.grid"),
        ("model: {optimizer: {init_args: {lr: }}}", "model.optimizer.init_args.lr"),
        ("data: {train: {captions: {template: }}}", "data.train.captions.template"),
        ("data: {val: {vqa: {weight: }}}", "data.val.vqa.weight"),
        (
            f"data: {{val: {{a: {{source: {{{SOURCE}, init_args: {{split: val, size: }}}}}}}}}}",
            "data.val.a.source.init_args.size",
        ),
        (
            f"trainer: {{callbacks: [{{{CHECKPOINTS}, init_args: {{save_top_k: }}}}]}}",
            "trainer.callbacks.0.init_args.save_top_k",
        ),
    ],
)
def test_a_null_in_a_file_is_refused_where_the_type_has_none(parse, tmp_path, text, key):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        parse(["--config", str(CONFIG), "--config", f"{tmp_path}/x.yaml"])
    assert str(error.value).startswith(f"{key} is null (its value is missing), which it cannot be; give it")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("name: x\ntrainer:\n", "trainer"),
        ("name: x\ndata:\n", "data"),
        ("name: x\nmodel:\n", "model"),
        ("model: {optimizer: {class_path: torch.optim.SGD, init_args: }}", "model.optimizer.init_args"),
        (f"trainer: {{callbacks: [{{{CHECKPOINTS}, init_args: }}]}}", "trainer.callbacks.0.init_args"),
    ],
)
def test_an_empty_block_is_refused(parse, tmp_path, text, key):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        parse(["--config", str(CONFIG), "--config", f"{tmp_path}/x.yaml"])
    line = f"{tmp_path}/x.yaml: {key} is null (nothing stands below it); fill it in, or remove it"
    assert str(error.value) == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("data: {train: {captions: }}", "data.train.captions {}; give it a value, or remove it"),
        ("data: {train: {captions: {source: }}}", "data.train.captions.source {}; give it a value"),
        ("data: {train: {vqa: {support: , source: }}}", "data.train.vqa.source {}; give it a value"),
        ("model: {rates: {mapper: }}", "model.rates.mapper {}; give it a value, or remove it"),
        ("model: {objectives: {a: }}", "model.objectives.a {}; give it a value, or remove it"),
        ("trainer: {callbacks: [null]}", "trainer.callbacks.0 {}; give it a value, or remove it"),
        ("model: {language: }", "model.language {}; give it a value"),
        ("{name: x, model: {vision: }}", "model.vision {}; give it a value"),
        ("data: {train: {vqa: {template: {stop: ['a', ]}}}}", None),
        (
            "data: {train: {vqa: {template: {stop: ['a', null]}}}}",
            "data.train.vqa.template.stop.1 {}; give it a value, or remove it",
        ),
    ],
)
def test_the_null_behind_an_error_of_the_parser_is_named(parse, tmp_path, text, line):
    (tmp_path / "x.yaml").write_text(text)
    arguments = ["--config", str(CONFIG), "--config", f"{tmp_path}/x.yaml"]
    if line is None:
        parse(arguments)
        return
    with pytest.raises(UserError) as error:
        parse(arguments)
    assert str(error.value) == line.format("is null (its value is missing), which it cannot be")


def test_a_null_is_not_blamed_for_the_error_of_another_value(parse):
    values = '{"vqa": {"support": null, "weight": "three"}}'
    with pytest.raises(UserError, match=r"Expected a <class 'int'>\. Got value: three"):
        parse(["--config", str(CONFIG), "--data.train", values])


def test_an_empty_value_stops_a_fit_before_it_writes_anything(frozenvl, capfd):
    Path("x.yaml").write_text("data:\n  overlap:\n  batch_size: 8\n")
    for command in ("fit", "validate", "predict"):
        assert frozenvl(command, "--config", "x.yaml") == 2
        assert one_line(capfd.readouterr().err).startswith("data.overlap is null")
    assert not Path("runs").exists()


def test_a_null_is_a_value_where_the_type_has_none(parse, tmp_path):
    (tmp_path / "x.yaml").write_text(
        "model: {rates: , tuning: ~}\ndata: {root: , views: null}\ntrainer: {logger: }"
    )
    configuration = parse(["--config", str(CONFIG), "--config", f"{tmp_path}/x.yaml"])
    assert configuration["data"]["root"] is None and configuration["model"]["rates"] is None


ROOT = Path(__file__).parents[2]
PUBLISHED = [*(ROOT / "configs").glob("*.yaml"), *(ROOT / "experiments" / "family").glob("*.yaml")]


@pytest.mark.nightly  # by day, tests/test_configs.py trains most of them
def test_no_published_configuration_is_refused(parse):
    for file in PUBLISHED:
        parts = ["--config", str(CONFIG), "--config", str(file)]
        for name in ("cpu", "gpu", "ddp", "fsdp", "slurm"):
            parts += ["--config", str(ROOT / "configs" / "trainer" / f"{name}.yaml")]
        parse([*parts, "--data.root", "DATA"])


def test_a_null_in_a_file_that_another_file_names_is_refused(parse, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("task.yaml").write_text(f"source: {{{SOURCE}, init_args: {{split: val, size: 5}}}}\nweight:\n")
    Path("val.yaml").write_text("captions: task.yaml\n")
    Path("x.yaml").write_text("data: {val: val.yaml}\n")
    with pytest.raises(UserError, match=r"^data\.val\.captions\.weight is null"):
        parse(["--config", str(CONFIG), "--config", "x.yaml"])
