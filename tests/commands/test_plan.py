"""`frozenvl plan`."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from running import CONFIG, one_line
from transformers import LlamaConfig

from frozenvl.cli import main
from frozenvl.training.trained_run import load_trained


@pytest.fixture
def plan(frozenvl, capfd):
    """Function that runs the command; it returns the exit status, stdout and stderr."""

    def call(*options: object) -> tuple[int, str, str]:
        status = main(["plan", "--config", str(CONFIG), *frozenvl.models, *map(str, options)])
        out, err = capfd.readouterr()
        return status, out, err

    return call


def numbers(plan, *options: object) -> list[dict]:
    status, out, err = plan("--json", "--peak", "1e12", *options)
    assert status == 0, err
    return json.loads(out)


def test_the_table_states_its_assumptions(plan):
    status, out, err = plan("--devices", 1, 4, "--peak", "1e12", "--memory", "0.0001", "--model.k", 3)
    assert status == 0 and "Traceback" not in err
    for words in ("4 DDP", "4 FSDP", "memory, GB", "hours", "fits into 0.0001 GB", "share of communication"):
        assert words in out
    assert "1e+12 operations a second" in out and "also gathers the frozen layers twice a pass" in out


def test_memory_of_weights_equals_that_of_a_trained_run(plan, tiny_run):
    (row,) = numbers(plan)
    module = load_trained(tiny_run).module
    bytes_of = lambda trained: sum(p.numel() * 4 for p in module.parameters() if p.requires_grad == trained)
    assert row["trained"] == pytest.approx(4 * bytes_of(True), abs=100)  # AdamW also counts its steps
    assert row["frozen"] == pytest.approx(bytes_of(False), rel=0.05)  # buffers are counted as well
    assert row["steps"] == 6 and row["pairs"] == 8


def test_more_devices_divide_the_batch(plan):
    one, ddp, fsdp = numbers(plan, "--devices", 1, 4, "--trainer.accumulate_grad_batches", 2)
    assert ddp["operations"] == fsdp["operations"] < one["operations"]
    assert ddp["working"] < one["working"] and ddp["frozen"] / 4 < fsdp["frozen"] < ddp["frozen"]
    assert numbers(plan, "--tokens", 60)[0]["operations"] > one["operations"]


def test_the_number_of_pairs_determines_the_hours(plan):
    (row,) = numbers(plan, "--pairs", 8001)
    assert row["steps"] == 1001 and row["hours"] == pytest.approx(1001 * row["seconds"] / 3600)


def test_quantised_weights_take_less_memory(plan):
    plain, packed = (
        numbers(plan, "--model.precision", "bf16", *more)[0]
        for more in ((), ("--model.quantization", "int8"))
    )
    assert packed["frozen"] < plain["frozen"] and packed["trained"] == plain["trained"]


def test_speed_is_measured_on_this_machine_unless_given(plan):
    status, out, _ = plan("--json")
    assert status == 0
    (row,) = json.loads(out)
    assert row["process"] > 1e8 and 0.001 < row["seconds"] < 60


def test_planning_a_7b_language_model_needs_only_its_configuration(plan, tmp_path):
    LlamaConfig().save_pretrained(tmp_path / "7B")
    small = ("--data.batch_size", 8, "--devices", 8, "--model.precision", "bf16")
    ddp, fsdp = numbers(plan, "--model.language", tmp_path / "7B", *small)
    assert ddp["frozen"] == pytest.approx(2 * 6_738_415_616, rel=0.001)
    assert fsdp["memory"] < ddp["memory"] / 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--devices", 0), "0 is not a number of 1 or more"),
        (("--devices", "many"), "--devices: invalid count value: 'many'"),
        (("--peak", -1), "-1 is not above 0"),
        (("--peak", "1e12", "--share", 2), "2 is no share, from 0 to 1"),
        (("--config", "nowhere.yaml"), "nowhere.yaml"),
        (("--model.kk", 3), "kk"),
        (
            ("--model.language", "./nowhere"),
            "a folder that holds nothing but the model's config.json will do",
        ),
        (("--devices", 9, "--peak", "1e12"), "--data.batch_size 9"),
        (("--model.k", 0), "an image needs at least one prefix vector"),
    ],
)
def test_bad_input_is_one_error_line(plan, options, message):
    status, _, err = plan(*options)
    assert status == 2 and message in one_line(err)


def test_help_imports_no_large_package():
    code = (
        "import sys; from frozenvl.cli import main\n"
        "try: main(['plan', '--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'lightning', 'transformers', 'rich') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"


def test_a_head_that_reads_deep_layers_is_planned_and_timed_with_fewer(plan):
    head = {
        "class_path": "frozenvl.model.heads.Retrieval",
        "init_args": {"pool": "mean", "layers": [0, 1, 2]},
    }
    objective = {"class_path": "frozenvl.objectives.Contrastive"}
    asked = ("--model.heads", json.dumps({"r": head}), "--model.objectives", json.dumps({"c": objective}))
    status, _, err = plan(*asked)
    assert status == 0 and "Traceback" not in err
    status, _, err = plan(*asked, "--tokens", 9)
    assert status == 2 and "model.objectives.c words prompts of its own" in one_line(err)
