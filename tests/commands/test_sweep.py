"""`frozenvl sweep` with real fits of tiny models."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from running import CONFIG, history, one_line
from sweeping import until

from frozenvl.cli import main
from frozenvl.sweep.state import state_of

CAPTIONS = {
    "class_path": "frozenvl.evaluation.Captions",
    "init_args": {"task": "captions", "max_new_tokens": 5},
}
SAVED = {
    "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
    "init_args": {"every_n_train_steps": 2, "save_last": True, "save_top_k": -1, "filename": "{step}"},
}


@pytest.fixture
def tiny(sweep, frozenvl):
    """Function that writes a specification of the tiny run and returns the arguments that run it."""
    shutil.copy(CONFIG, "base.yaml")
    language, vision = frozenvl.models[1], frozenvl.models[3]
    mine = ["--set", f"model.language={language}", "--set", f"model.vision.init_args.name={vision}"]

    def write(**changes) -> list[str]:
        fixed = {"trainer.limit_val_batches": 0, "trainer.callbacks": [CAPTIONS, SAVED]} | changes.pop(
            "set", {}
        )
        return [
            "sweep",
            str(sweep.write(**({"seeds": [0], "set": fixed, "budget": {"pairs": 32}} | changes))),
            *mine,
        ]

    return write


def start(arguments) -> subprocess.Popen:
    command = [sys.executable, "-m", "frozenvl", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def scored(run: str) -> dict:
    return json.loads(Path(f"runs/try/{run}/evaluation/captions/score.json").read_text())


@pytest.mark.nightly
def test_two_fits_run_at_a_time(tiny, capfd, monkeypatch, tmp_path):
    """Goes from configuration to report; each image is encoded once for both fits."""
    monkeypatch.setenv("FROZENVL_HOME", str(tmp_path / "home"))
    assert main([*tiny(), "--jobs", "2"]) == 0
    printed = capfd.readouterr()
    assert "2 of 2 runs done" in printed.out and "k1-seed0: running" in printed.err
    for name, k in (("k1-seed0", 1), ("k2-seed0", 2)):
        config = yaml.safe_load(Path(f"runs/try/{name}/config.yaml").read_text())
        assert (
            config["model"]["k"] == k
            and config["trainer"]["max_steps"] == 4
            and config["seed_everything"] == 0
        )
        assert scored(name)["step"] == 4 and scored(name)["samples"] == scored(name)["of"] == 5
    stored = [digest for path in Path("home/features").glob("*/*.safetensors") for digest in digests(path)]
    assert len(stored) == len({*stored})
    # Features are computed when they are read: four steps may leave out an image of training, and no other.
    assert distinct_images("val") <= {*stored} <= distinct_images("train", "val")
    written = {path.name for path in Path("runs/try/report").iterdir()}
    assert {
        "report.html",
        "report.md",
        "tables.tex",
        "points.csv",
        "scores.csv",
        "metric.png",
        "metric.svg",
    } <= written
    assert main([*tiny(), "--worker"]) == 0
    assert "nothing left to take" in capfd.readouterr().out


def digests(path: Path) -> list[str]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["digests"])


def distinct_images(*splits: str) -> set[str]:
    from frozenvl.data.sources.scenes import SceneCaptions, SceneQuestions

    sources = [
        kind(split=split, size=size, resolution=64)
        for kind, split, size in (
            (SceneCaptions, "train", 8),
            (SceneQuestions, "train", 16),
            (SceneCaptions, "val", 5),
            (SceneQuestions, "val", 7),
        )
        if split in splits
    ]
    return {source[index].image.digest for source in sources for index in range(len(source))}


@pytest.mark.nightly
def test_a_sweep_that_was_killed_in_a_fit_ends_with_the_same_result(tiny, capfd):
    """Only the worker is killed: its fit ends with it, and the next worker continues from the last checkpoint."""
    slow = {"budget": {"steps": 40}, "grid": {"model.k": [2]}}
    worker = start([*tiny(**slow), "--worker"])
    saved = Path("runs/try/k2-seed0/checkpoints/last.ckpt")
    until(saved.exists, 120)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    until(lambda: not fits(), 10)
    assert (
        not Path("runs/try/k2-seed0/cost.json").exists()
        and state_of(Path("runs/try/k2-seed0"))[0] == "interrupted"
    )
    assert main([*tiny(**slow), "--worker", "--trials", "1"]) == 0
    assert "k2-seed0: resumed, attempt 2" in capfd.readouterr().out
    log = Path("runs/try/k2-seed0/log.txt").read_text()
    assert "--ckpt_path=runs/try/k2-seed0/checkpoints/last.ckpt" in log and scored("k2-seed0")["step"] == 40
    assert [row["step"] for row in history("try/k2-seed0")] == list(range(1, 41))
    resumed = scored("k2-seed0")
    Path("runs").rename("before")
    assert main([*tiny(**slow), "--worker"]) == 0
    assert scored("k2-seed0")["provenance"] == resumed["provenance"], "the weights, among others"


def fits() -> list[str]:
    """Returns the command lines of the fits that run in this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == Path.cwd() and process.name != str(os.getpid()):
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found


@pytest.mark.nightly
def test_ctrl_c_stops_a_sweep_and_its_run_can_be_resumed(tiny):
    slow = {"budget": {"steps": 60}, "grid": {"model.k": [2]}}
    whole = start(tiny(**slow))
    until(Path("runs/try/k2-seed0/checkpoints/last.ckpt").exists, 120)
    whole.send_signal(signal.SIGINT)
    output, _ = whole.communicate(timeout=120)
    assert whole.returncode == 130 and "finished runs are kept" in output
    assert state_of(Path("runs/try/k2-seed0"))[0] == "interrupted" and not fits()


@pytest.mark.nightly
def test_a_run_that_fails_is_named_with_its_reason(tiny, capfd):
    assert main(tiny(set={"model.warmup_steps": 9}, grid={"model.k": [1]})) == 1
    printed = capfd.readouterr()
    assert "k1-seed0: failed: model.warmup_steps is 9, the run has only 4 steps; lower it" in printed.err
    assert one_line(printed.err) == "1 of the runs failed; `--retry` runs it again"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.yaml"], "nowhere.yaml: no such sweep"),
        (["sweep.yaml", "--jobs", "0"], "--jobs: 0 is not a number of 1 or more"),
        (["sweep.yaml", "--jobs", "2", "--worker"], "--worker is one of several by itself"),
        (["sweep.yaml", "--set", "x"], "--set: x is not KEY=VALUE, such as data.root"),
        (["sweep.yaml", "--sed", "x=1"], "unrecognized arguments"),
    ],
)
def test_bad_arguments_are_one_error_line(sweep, capsys, arguments, message):
    sweep.write()
    assert main(["sweep", *arguments]) == 2
    assert message in one_line(capsys.readouterr().err)


def test_a_report_before_any_run_is_done_is_refused(sweep, capsys):
    Path("runs/try").mkdir(parents=True)
    spec = {"name": "try", "about": "", "metric": "a/b", "direction": "maximize", "search": {}, "arms": []}
    Path("runs/try/sweep.yaml").write_text(yaml.safe_dump({"spec": spec | {"seeds": [0], "trials": 0}}))
    assert main(["report", "runs/try"]) == 2
    assert "runs/try: no run of this sweep is done yet" in one_line(capsys.readouterr().err)


def test_help_is_fast():
    look = (
        "import sys; from frozenvl.cli import main\ntry: main(['sweep', '-h'])\nfinally: print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True)
    assert "--worker" in done.stdout
    assert not {"torch", "lightning", "optuna", "omegaconf"} & set(done.stdout.splitlines()[-1].split())
