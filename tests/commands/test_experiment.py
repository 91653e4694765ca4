"""`frozenvl fit` and Lightning's other commands: errors in one line, and how configurations are read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from running import CONFIG, add, checkpoint, history, one_line

from frozenvl import cli
from frozenvl.commands import experiment
from frozenvl.util.errors import UserError


def config(text: str) -> tuple[str, Path]:
    """Writes a configuration file; returns the options that add it."""
    path = Path("more.yaml").absolute()
    path.write_text(text)
    return "--config", path


COCO = '{"c": {"source": {"class_path": "frozenvl.data.sources.coco.CocoCaptions", "init_args": %s}}}'


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            ["--trainer.max_epoch", 3],
            "trainer.max_epoch is not in the configuration; did you mean trainer.max_epochs?",
        ),
        (["--k", 3], "k is not in the configuration; did you mean model.k?"),
        (["--nope"], "nope is not in the configuration; `frozenvl fit --help` lists the keys"),
        (
            "model: {optimiser: {}}",
            "model.optimiser is not in the configuration; did you mean model.optimizer?",
        ),
        (
            "trainer: {loggers: {}}",
            "trainer.loggers is not in the configuration; did you mean trainer.logger?",
        ),
        ("just words", "more.yaml: holds 'just words'; a configuration is a mapping"),
        (["--model.k", "three"], "model.k"),
        (["--model.k", 0], "k is 0"),
        (["--model.mapper.class_path", "frozenvl.model.mappers.Nope"], "Nope"),
        (["--model.mapper.class_path", "nopackage.Nope"], "nopackage"),
        (["--model.mapper.init_args.hiden", 3], "'hiden'"),
        (["--model.optimizer", "torch.optim.Adamm"], "Adamm"),
        (add("frozenvl.evaluation.Captions", tusk="x"), "tusk"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
        ("model: {kk: 3}", "model.kk is not in the configuration; did you mean model.k?"),
        ("model: [1,\n b: }", "line 2"),
        ("model: {k: '${nowhere.k}'}", "model.k refers to ${nowhere.k}, which is not in the configuration"),
        ("data: {batch_size: '${data.batchsize}'}", "data.batchsize"),
        (
            "data: {train: {vqa: {template: {induction: '${price}'}}}}",
            r"data.train.vqa.template.induction refers to ${price}, which is not in the configuration; a literal ${ is "
            r"written \${",
        ),
        (
            "data: {train: {vqa: {template: {induction: '${a b}'}}}}",
            r"data.train.vqa.template.induction has a ${ that cannot be read (token recognition error at: ' b'); a li",
        ),
        (
            "data: {overlap: }",
            "data.overlap is null (its value is missing), which it cannot be; give it a value",
        ),
        ("data: {train: {vqa: {template: {query: '{imag}'}}}}", "unknown field {imag}"),
        (
            ["--data.train", COCO % '{"annotations": "no/c.json", "images": "."}'],
            "no/c.json: no such file",
        ),
        (["--data.batch_size", 0], "data.batch_size"),
        (["--trainer.accumulate_grad_batches", 9, "--trainer.val_check_interval", 9], "data.batch_size is 8"),
        (["--model.language", "no/such-model"], "no/such-model: "),
        (["--model.vision.init_args.name", "no_such_model"], "'no_such_model'"),
        (["--ckpt_path", "nowhere.ckpt"], "nowhere.ckpt: no such checkpoint"),
        (["--init_from", "nowhere.ckpt"], "nowhere.ckpt: no such checkpoint"),
        (["--seed_everything", "x"], "seed_everything"),
    ],
    ids=str,
)
def test_bad_input_is_one_error_line(frozenvl, capfd, monkeypatch, options, expected):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    options = config(options) if isinstance(options, str) else options
    assert frozenvl("fit", *options) == 2
    message = one_line(capfd.readouterr().err)
    assert expected in message and len(message) < 450
    assert not [
        path for path in Path("runs").rglob("*") if path.suffix in (".ckpt", ".json", ".jsonl", ".tmp")
    ]


@pytest.mark.parametrize(
    "how",
    [{}, *(pytest.param(how, marks=pytest.mark.nightly) for how in ({"ranks": 2}, {"workers": 1}))],
)
def test_a_run_without_a_readable_image_names_one(frozenvl, capfd, tmp_path, how):
    """The error may come from another process: a data loader worker or a forked rank."""
    (tmp_path / "bad.jpg").write_text("hello")
    content = {
        "images": [{"id": i, "file_name": "bad.jpg"} for i in range(8)],
        "annotations": [{"image_id": i, "caption": "a dog"} for i in range(8)],
    }
    (tmp_path / "c.json").write_text(json.dumps(content))
    data = ("--data.train", COCO % json.dumps({"annotations": "c.json", "images": "."}), "--data.val", "{}")
    no_evaluation = ("--trainer.callbacks", "[]", "--trainer.limit_val_batches", 0)
    workers = ("--data.workers", how.get("workers", 0))
    for cached in ("false", "true"):
        options = ("--data.cache_features", cached, *workers)
        assert frozenvl("fit", *data, *no_evaluation, *options, ranks=how.get("ranks", 1)) == 1
        assert "bad.jpg: not a readable image" in one_line(capfd.readouterr().err)


def test_validate_without_a_checkpoint_warns_and_changes_no_file_of_the_run(frozenvl, tiny_run, capfd):
    assert frozenvl("fit", "--trainer.limit_val_batches", 0) == 0
    before = {
        path: path.read_bytes() for path in (Path("runs/tiny/config.yaml"), Path("runs/tiny/history.jsonl"))
    }
    capfd.readouterr()
    assert frozenvl("validate", "--data.eval_batch_size", 5) == 0
    assert "no --ckpt_path: " in capfd.readouterr().err
    assert frozenvl("validate", "--ckpt_path", tiny_run / "checkpoints" / "last.ckpt") == 0
    assert "no --ckpt_path: " not in capfd.readouterr().err
    assert {path: path.read_bytes() for path in before} == before


def test_the_saved_configuration_of_a_run_repeats_the_run(frozenvl, tiny_run):
    assert cli.main(["fit", "--config", str(tiny_run / "config.yaml"), "--name", "again"]) == 0
    assert history("again") == history(tiny_run)
    assert checkpoint("again")["frozenvl"] == checkpoint(tiny_run)["frozenvl"]


def test_an_interpolated_value_follows_the_command_line(frozenvl, capsys):
    reference = config("data: {eval_batch_size: '${data.batch_size}'}")
    with pytest.raises(SystemExit, match="0"):
        frozenvl("fit", *reference, "--data.batch_size", 6, "--print_config")
    assert yaml.safe_load(capsys.readouterr().out)["data"]["eval_batch_size"] == 6


def test_a_class_path_may_name_a_module_in_the_current_folder(frozenvl, tmp_path):
    Path("mine.py").write_text(
        "from frozenvl.model.mappers import Linear\n\n\nclass Mine(Linear):\n    pass\n"
    )
    short = ("--trainer.max_steps", 1, "--trainer.limit_val_batches", 0)
    tiny = [str(word) for word in ("--config", CONFIG, *frozenvl.models, *short)]
    command = [str(Path(sys.executable).with_name("frozenvl")), "fit", *tiny, "--model.mapper", "mine.Mine"]
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, env=clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]


def test_a_parser_error_becomes_a_user_error_with_its_cause():
    """The command line prints one line; `--debug` also prints the cause."""
    with pytest.raises(UserError, match=r"^nope is not in the configuration") as error:
        experiment.run(["fit", "--config", str(CONFIG), "--nope"])
    assert type(error.value.__cause__).__name__ == "ArgumentError"
    assert "\n" not in str(error.value)
