"""`frozenvl evaluate`: options, printed output and errors."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running import one_line
from suites import LOOP, copy_of, evaluate_in, result_files


@pytest.fixture
def run(tiny_run, tmp_path, monkeypatch) -> Path:
    """Copy of a trained run without evaluations."""
    monkeypatch.chdir(tmp_path)
    return copy_of(tiny_run, tmp_path / "run")


@pytest.fixture
def evaluate(run):
    return evaluate_in(run)


@pytest.mark.nightly
def test_two_devices_write_the_same_files_as_one(evaluate, run):
    """Runs the command as a user does; Lightning starts it again for the second device."""
    assert evaluate(LOOP) == 0
    alone = result_files(run)
    shutil.rmtree(run / "evaluation")
    command = ["evaluate", "run", "--config", "suite.yaml", "--batch_size", "3", "--devices", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "frozenvl", *command, "--accelerator", "cpu"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert result_files(run) == alone
    assert done.stdout.count("captions CIDEr") == 1


def test_only_limit_and_views_select_what_is_evaluated(evaluate, run, capsys):
    views = ("--views", "test-blind", "text-only")
    assert evaluate(LOOP, "--only", "vqa", "--limit", "1", *views) == 0
    names = {folder.name for folder in (run / "evaluation").iterdir()}
    assert names == {f"vqa-{n}shot-{view}" for n in (0, 2) for view in ("test-blind", "text-only")}
    score = json.loads((run / "evaluation/vqa-2shot-text-only/score.json").read_text())
    assert (score["samples"], score["of"], score["partial"]) == (3, 7, True)
    assert (score["view"], score["provenance"]["view"]) == ("text-only", "text-only")
    assert evaluate(LOOP, "--only", "captions", "--views", "text-only", "test-blind") == 0
    assert (
        "captions-text-only: left out, since without images its prompts are empty" in capsys.readouterr().out
    )
    assert not (run / "evaluation/captions-text-only").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "vqa", "cow"], "no benchmark 'cow'; there are captions, vqa"),
        (["--limit", "0"], "--limit must be at least 1"),
        (["--batch_size", "0"], "--batch_size, --devices and --limit must be at least 1"),
        (["--config", "no.yaml"], "no.yaml: no such file"),
        (["--config", "suite.yaml"], "benchmark captions stands in another file, too"),
        (["--views", "deaf"], "invalid choice: 'deaf'"),
    ],
)
def test_invalid_options_are_one_error_line(evaluate, run, capfd, options, message):
    assert evaluate(LOOP, *options) == 2
    assert message in one_line(capfd.readouterr().err)


def test_a_missing_checkpoint_is_one_error_line(evaluate, run, capfd):
    assert evaluate(LOOP, checkpoint=run / "checkpoints" / "best.ckpt") == 2
    assert "best.ckpt: no such" in one_line(capfd.readouterr().err)
