"""The parser of experiments: options derived from others, escapes, and errors in one line."""

from __future__ import annotations

import pytest
from awkward_texts import TEXTS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from running import CONFIG

from frozenvl.training.command_line import config_text
from frozenvl.training.parsing import ParserAlone, configuration_parser, make
from frozenvl.training.trained_run import read_config
from frozenvl.util.config_text import as_yaml, escaped, restored
from frozenvl.util.errors import UserError


@pytest.fixture(scope="module")
def parse():
    read = configuration_parser()
    named = ("--model.language", "L", "--model.vision.init_args.name", "V")
    return lambda *options: read(["--config", str(CONFIG), *named, *map(str, options)])


def test_the_folder_of_a_run_has_its_name(parse):
    assert parse()["trainer"]["default_root_dir"] == "runs/tiny"
    assert parse("--name", "x")["trainer"]["default_root_dir"] == "runs/x"


def test_the_module_gets_seed_and_init_from(parse, tmp_path):
    (tmp_path / "a.ckpt").touch()
    found = parse("--init_from", tmp_path / "a.ckpt", "--seed_everything", 7)
    assert found["model"]["init_from"] == tmp_path / "a.ckpt" and found["model"]["seed"] == 7
    assert parse()["model"]["init_from"] is None and parse()["model"]["seed"] == 0


def test_arguments_of_a_custom_module_are_below_its_class_path(parse):
    found = parse("--model", "own_module.Doubled", "--model.factor", 3, "--name", "x")["model"]
    assert found["class_path"] == "own_module.Doubled"
    assert (found["init_args"]["factor"], found["init_args"]["k"]) == (3, 2)
    assert found["init_args"]["seed"] == 0


def test_parsing_a_configuration_builds_nothing(parse, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse()["model"]["language"] == "L"  # a model that does not exist
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model.k", "three"), "model.k: Expected a <class 'int'>. Got value: three"),
        (("--nope",), "^nope is not in the configuration; `frozenvl fit --help` lists the keys$"),
        (
            ("--model.tuning", "frozenvl.model.mappers.MLP"),
            "model.tuning: .*MLP does not correspond .*; name one",
        ),
        (
            ("--model.mapper", "nopackage.Nope"),
            "model.mapper: .*No module named 'nopackage'.*; name a class by",
        ),
        (
            ("--model.mapper.init_args.hiden", 3),
            "^model.mapper: Option 'hiden' is not accepted; did you mean hidden.$",
        ),
        (("--model.mapper", "frozenvl.model.mappers.Linar"), "; did you mean Linear.$"),
        (("--model.vision", "frozenvl.model.vision.TimEncoder"), "; did you mean TimmEncoder.$"),
        (
            ("--model.objectives.captions.weight", -1),
            "^model.objectives.captions.weight: the configuration names no class for model.objectives.captions; give",
        ),
        (("--model.objectives", '{"a": "x", "a": "y"}'), "--model.objectives: line 1: a stands twice"),
    ],
    ids=str,
)
def test_bad_options_are_one_error_line(parse, options, message):
    with pytest.raises(UserError, match=message) as error:
        parse(*options)
    assert "\n" not in str(error.value) and len(str(error.value)) <= 450


def test_advertisements_of_other_packages_are_not_logged(frozenvl, caplog):
    with caplog.at_level("INFO"):
        assert frozenvl("fit", "--trainer.max_steps", 1, "--trainer.limit_val_batches", 0) == 0
    messages = [record.getMessage() for record in caplog.records]
    assert any("GPU available" in message for message in messages), "the log is seen here"
    assert not any("Tip" in message for message in messages)


BEFORE = "data:\n  train:\n    captions:\n      template:\n        induction: "
WAYS = {
    "plain": BEFORE + "\\${data.seed} ${name}\n",
    "single quotes": "data: {train: {captions: {template: {induction: '\\${data.seed} ${name}'}}}}",
    "double quotes": 'data: {train: {captions: {template: {induction: "\\\\${data.seed} ${name}"}}}}',
    "block": BEFORE + "|-\n          \\${data.seed} ${name}\n",
}


@pytest.mark.parametrize("way", WAYS)
def test_an_escaped_interpolation_is_a_literal_in_a_file(parse, tmp_path, way):
    """Others in the same text are still replaced."""
    (tmp_path / "x.yaml").write_text(WAYS[way])
    found = parse("--config", tmp_path / "x.yaml")["data"]["train"]["captions"]["template"]
    assert found["induction"] == "${data.seed} tiny"


@pytest.mark.parametrize(
    "option",
    [
        r"--data.train.captions.template.induction=\${data.seed}",
        r"""--data.train.captions.template={"induction": "\\${data.seed}"}""",
        r"""--data.train={"captions": {"template": {"induction": "\\${data.seed}"}}}""",
    ],
)
def test_an_escaped_interpolation_is_a_literal_in_an_option(parse, option):
    template = parse(option, "--data.seed=3")["data"]["train"]["captions"]["template"]
    assert template["induction"] == "${data.seed}"


@pytest.fixture(scope="module")
def parser():
    return make(ParserAlone, [], subcommands=False).parser


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(texts=some.lists(TEXTS, min_size=11, max_size=11))
def test_a_saved_configuration_reads_back_equal(parser, tmp_path, texts):
    words = iter(texts)
    braces = str.maketrans({"{": "{{", "}": "}}"})  # those of a template
    template = {"query": "{image}" + next(words).translate(braces), "separator": next(words)}
    template |= {"induction": next(words), "stop": [f".{next(words)}", "1e3"]}
    folder = {"class_path": "frozenvl.data.sources.folder.ImageFolder", "init_args": {"folder": next(words)}}
    checkpoints = {"filename": next(words), "monitor": next(words)}
    content = {
        "name": next(words),
        "model": {"language": next(words), "rates": {next(words): 1e-5}},
        "data": {"root": next(words), "train": {"a": {"source": folder, "template": template}}},
        "trainer": {
            "callbacks": [
                {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint", "init_args": checkpoints}
            ]
        },
    }
    (tmp_path / "x.yaml").write_text(as_yaml(escaped(content)), encoding="utf-8")
    found = restored(parser.parse_args(["--config", str(CONFIG), "--config", f"{tmp_path}/x.yaml"]))
    task = found.data.train["a"]
    assert task.template.as_dict() == template | {
        "target": "{target}",
        "stop": tuple(template["stop"]),
        "chat": False,
    }
    assert task.source.init_args.folder == folder["init_args"]["folder"]
    assert (found.name, found.model.language) == (content["name"], content["model"]["language"])
    assert found.model.rates == content["model"]["rates"]

    (tmp_path / "config.yaml").write_text(config_text(parser, found), encoding="utf-8")
    again = restored(parser.parse_args(["--config", f"{tmp_path}/config.yaml"]))
    first, second = ({**config.as_dict(), "config": None} for config in (found, again))
    assert first == second
    read = read_config(tmp_path)["data"]["train"]["a"]["template"]
    assert read == {**task.template.as_dict(), "stop": template["stop"]}
