"""Scores, galleries, configuration and provenance of a run in each tracker; reports do not depend on it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import yaml
from running import history
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from frozenvl.cli import main

LOGGERS = "lightning.pytorch.loggers"
MEASURED = ("| pairs/s", "| minutes", "| peak memory")
"""Rows of a report's cost table."""


def fit(frozenvl, name: str, *options: str) -> dict[str, float]:
    """Trains a run; returns the last scores of its history."""
    assert frozenvl("fit", *options, name=name) == 0
    rows = [row for row in history(name) if "captions/CIDEr" in row]
    assert rows
    return {
        key: value for key, value in rows[-1].items() if key.split("/")[0] in ("captions", "vqa-0shot", "val")
    }


def report(name: str) -> str:
    """Returns the Markdown report of a run, without its name and what the machine's load changes."""
    assert main(["report", f"runs/{name}", "--out", f"report-{name}"]) == 0
    lines = Path(f"report-{name}/report.md").read_text(encoding="utf-8").replace(name, "RUN").splitlines()
    return "\n".join(line for line in lines if not line.startswith(MEASURED))


def test_csv_and_no_logger_have_what_tensorboard_has(frozenvl):
    scores = fit(frozenvl, "board")
    events = EventAccumulator("runs/board")
    events.Reload()
    assert {key: events.Scalars(key)[-1].value for key in scores} == pytest.approx(scores)
    (_, gallery) = events.Images("captions/gallery")
    assert gallery.encoded_image_string == Path("runs/board/evaluation/captions/gallery.png").read_bytes()
    config, provenance = (
        yaml.safe_load(events.Tensors(f"{kind}/text_summary")[0].tensor_proto.string_val[0])
        for kind in ("config", "provenance")
    )
    assert config["model"]["k"] == 2 and provenance["precision"] == "fp32" and provenance["versions"]["torch"]
    plain = report("board")

    assert (
        fit(
            frozenvl, "table", "--trainer.logger", f"{LOGGERS}.CSVLogger", "--trainer.logger.save_dir", "logs"
        )
        == scores
    )
    folder = Path("logs/lightning_logs/version_0")
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    last = {key: [row[key] for row in rows if row.get(key)][-1] for key in scores}
    assert {key: float(value) for key, value in last.items()} == pytest.approx(scores)
    logged = yaml.safe_load((folder / "hparams.yaml").read_text())
    assert logged["provenance"] == provenance and logged["config"]["name"] == "table"
    assert report("table") == plain

    assert fit(frozenvl, "none", "--trainer.logger", "false") == scores
    assert report("none") == plain


def test_mlflow_gets_scores_galleries_configuration_and_provenance(frozenvl, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = f"file:{Path('mlruns').absolute()}"
    options = ("--trainer.logger", f"{LOGGERS}.MLFlowLogger", "--trainer.logger.tracking_uri", uri)
    scores = fit(frozenvl, "flow", *options)
    client = mlflow.MlflowClient(uri)
    (experiment,) = [e for e in client.search_experiments() if e.name == "lightning_logs"]
    (run,) = client.search_runs([experiment.experiment_id])
    assert {key: run.data.metrics[key] for key in scores} == pytest.approx(scores)
    assert run.data.params["config/model/k"] == "2" and run.data.params["provenance/precision"] == "fp32"
    images = [file.path for file in client.list_artifacts(run.info.run_id, "images")]
    assert any("captions" in path and path.endswith(".png") for path in images)


def test_w_and_b_offline_gets_scores_galleries_configuration_and_provenance(frozenvl, monkeypatch):
    wandb = pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_SILENT", "true")
    options = ("--trainer.logger", f"{LOGGERS}.WandbLogger", "--trainer.logger.offline", "true")
    scores = fit(frozenvl, "weights", *options, "--trainer.logger.save_dir", "wb")
    summary, config = dict(wandb.run.summary), dict(wandb.run.config)
    wandb.finish()
    assert {key: summary[key] for key in scores} == pytest.approx(scores)
    assert config["config"]["model"]["k"] == 2 and config["provenance"]["precision"] == "fp32"
    assert [*Path("wb").rglob("media/images/captions/gallery*.png")]
