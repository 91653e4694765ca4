"""History of a run: its lines, also after an interruption, and the curve drawn from them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from matplotlib.figure import Figure
from PIL import Image
from scores import score_of, write

from frozenvl.metrics.metric import Metric
from frozenvl.training.callbacks.history import History, draw_curve, history_path
from frozenvl.util.errors import RunError

LOGGED = {
    "train/loss": 2.5,
    "train/lr": 0.01,
    "val/loss": 3.0,
    "captions/CIDEr": 0.4,
    "time/data": 0.1,
    "speed/padding": 0.0,
}


def trainer(folder: Path, step: int = 0, **others: object) -> SimpleNamespace:
    """Makes a Trainer with the attributes that the callback reads."""
    known = {
        "default_root_dir": str(folder),
        "global_step": step,
        "is_global_zero": True,
        "log_every_n_steps": 1,
        "callback_metrics": LOGGED,
        "sanity_checking": False,
        "state": SimpleNamespace(fn="fit"),
    }
    return SimpleNamespace(**known | others)


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def started(run: SimpleNamespace, due: bool = False) -> History:
    made = History(lambda: due)
    made.on_train_start(run, None)
    return made


@pytest.mark.parametrize("due", [False, True])
def test_a_resumed_run_removes_lines_that_it_will_write_again(tmp_path, due):
    """Resumes at step 2; the line of its validation is removed only if that validation is repeated."""
    before = [
        {"step": 1, "train/loss": 3.0},
        {"step": 2, "train/loss": 2.0},
        {"step": 2, "val/loss": 2.5},
    ]
    after = [{"step": 3, "train/loss": 1.0}]
    written = "".join(json.dumps(row) + "\n" for row in before + after)
    (tmp_path / "history.jsonl").write_text(written + '{"step": 4, "tra')  # killed while writing a line
    started(trainer(tmp_path, step=2), due)
    assert lines(tmp_path) == (before[:2] if due else before)


def test_a_new_run_starts_with_an_empty_file_written_by_rank_0(tmp_path):
    (tmp_path / "history.jsonl").write_text('{"step": 1, "train/loss": 3.0}\n')
    started(trainer(tmp_path, is_global_zero=False))
    assert len(lines(tmp_path)) == 1
    started(trainer(tmp_path))
    assert lines(tmp_path) == []


def test_each_logged_step_has_one_line_with_accumulation(tmp_path):
    """Runs steps 1 to 4 of two batches each and logs every second step."""
    run = trainer(tmp_path, log_every_n_steps=2)
    history = started(run)
    for step in (0, 1, 1, 2, 2, 3, 3, 4):
        run.global_step = step
        history.on_train_batch_end(run)
    assert lines(tmp_path) == [{"step": step, "train/loss": 2.5, "train/lr": 0.01} for step in (2, 4)]


@pytest.mark.parametrize(
    ("others", "written"),
    [({}, True), ({"sanity_checking": True}, False), ({"state": SimpleNamespace(fn="validate")}, False)],
)
def test_each_validation_of_a_fit_has_a_line(tmp_path, others, written):
    history = started(trainer(tmp_path))
    history.on_validation_end(trainer(tmp_path, step=3, **others), None)
    assert lines(tmp_path) == ([{"step": 3, "val/loss": 3.0, "captions/CIDEr": 0.4}] if written else [])


def test_a_file_that_cannot_be_written_stops_the_fit_with_one_error_line(tmp_path):
    run = trainer(tmp_path, step=1)
    history = started(trainer(tmp_path))
    (tmp_path / "history.jsonl").unlink()
    history_path(run).mkdir()
    with pytest.raises(RunError, match=r"history\.jsonl: cannot be written .Is a directory") as error:
        history.on_train_batch_end(run)
    assert "\n" not in str(error.value)


@pytest.fixture
def drawn(monkeypatch) -> list[Figure]:
    """Figures that are saved."""
    figures: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *x, **y: figures.append(self) or save(self, *x, **y))
    return figures


def test_the_curve_has_losses_on_one_axis_and_shown_scores_on_the_other(tmp_path, drawn):
    rows = [
        {"step": 1, "train/loss": 3.0},
        {"step": 2, "train/loss": 2.0},
        {"step": 2, "val/loss": 2.5, "vqa/overall": 40.0, "vqa/number": 10.0, "captions/CIDEr": 0.4},
    ]
    (tmp_path / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    metrics = (Metric("overall", "%", main=True), Metric("number", "%", shown=False))
    write(tmp_path, score_of("vqa", {"overall": 40.0, "number": 10.0}, metrics=metrics))
    write(tmp_path, score_of("captions", {"CIDEr": 0.4}))
    other_version = tmp_path / "evaluation" / "old" / "score.json"
    other_version.parent.mkdir()
    other_version.write_text('{"schema": 1}')
    draw_curve(tmp_path)
    losses, scores = (
        {line.get_label(): [*zip(*line.get_data(), strict=True)] for line in axes.lines}
        for axes in drawn[0].axes
    )
    assert losses == {"train/loss": [(1, 3.0), (2, 2.0)], "val/loss": [(2, 2.5)]}
    assert scores == {"vqa/overall": [(2, 0.4)], "captions/CIDEr": [(2, 0.4)]}  # 40 % is 0.4
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.size == (1200, 420)


def test_a_fit_without_history_has_an_empty_curve(tmp_path, drawn):
    run = trainer(tmp_path)
    started(run).on_fit_end(run, None)
    assert [axes.lines[:] for axes in drawn[0].axes] == [[], []] and (tmp_path / "curve.png").is_file()
    (tmp_path / "curve.png").unlink()
    History(lambda: False).on_fit_end(trainer(tmp_path, is_global_zero=False), None)
    assert not (tmp_path / "curve.png").exists()


def test_times_are_not_in_the_history(frozenvl):
    assert frozenvl("fit", "--trainer.max_steps", 4, "--trainer.limit_val_batches", 0) == 0
    lines = Path("runs/tiny/history.jsonl").read_text()
    assert "time/" not in lines and "speed/" not in lines and "train/loss" in lines
