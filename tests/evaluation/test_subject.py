"""Evaluation of an exported model."""

from __future__ import annotations

import json

import pytest
from running import one_line
from suites import LOOP, result_files
from toy import question

from frozenvl.cli import main
from frozenvl.evaluation.subject import load_exported
from frozenvl.evaluation.suite import session_of
from frozenvl.model.hub import CONFIG
from frozenvl.prompt import BlackImage
from frozenvl.util.errors import UserError


@pytest.fixture
def exported(run, tmp_path):
    """Export of that run, in the current folder."""
    assert main(["export", str(run), str(tmp_path / "export")]) == 0
    return tmp_path / "export"


def test_an_export_has_the_scores_and_the_provenance_of_its_run(evaluate, run, exported, capsys):
    assert evaluate(LOOP) == 0
    capsys.readouterr()
    assert main(["evaluate", "export", "--config", "suite.yaml", "--batch_size", "3"]) == 0
    assert "captions CIDEr" in capsys.readouterr().out
    assert result_files(exported) == result_files(run)
    assert main(["report", "export"]) == 0


def test_rounded_weights_have_a_fingerprint_of_their_own(run, exported, tmp_path):
    assert main(["export", str(run), "half", "--dtype", "float16"]) == 0
    half, whole = load_exported(tmp_path / "half"), load_exported(exported)
    assert half.trained_weights != whole.trained_weights
    assert (
        (half.step, half.blind, half.precision)
        == (whole.step, whole.blind, whole.precision)
        == (6, False, "fp32")
    )


def recorded(exported, training: dict | None) -> None:
    """Writes config.json with another record of the training."""
    config = json.loads((exported / CONFIG).read_text()) | {"training": training}
    (exported / CONFIG).write_text(
        json.dumps({key: value for key, value in config.items() if value is not None})
    )


def test_the_export_of_a_blind_run_sees_black(exported, tmp_path):
    image = question(0).image
    assert session_of(load_exported(exported), tmp_path, ["seeing"], 4, None).see(image) is image
    recorded(exported, {"step": 4, "blind": True})
    session = session_of(load_exported(exported), tmp_path, ["seeing"], 4, None)
    assert isinstance(session.see(image), BlackImage) and session.provenance["blind"]


@pytest.mark.parametrize("training", [None, {}, {"step": 4}, {"step": "four", "blind": False}])
def test_an_export_without_a_record_of_its_training_is_refused(exported, training):
    recorded(exported, training)
    with pytest.raises(UserError, match="has no `training` with step"):
        load_exported(exported)


def test_a_refused_export_is_one_line_and_is_left_as_it_is(evaluate, exported, capsys):
    recorded(exported, None)
    assert evaluate({"captions": LOOP["captions"]}, "--limit", "1") == 0  # writes suite.yaml
    capsys.readouterr()
    assert main(["evaluate", "export", "--config", "suite.yaml"]) == 2
    line = one_line(capsys.readouterr().err)
    assert "config.json" in line and "frozenvl export" in line
    assert not (exported / "evaluation").exists()
