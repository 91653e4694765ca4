"""Several workers at once: each run is trained once, even if workers are killed."""

from __future__ import annotations

import json
import shutil
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from sweeping import until

from frozenvl.sweep.spec import read_spec
from frozenvl.sweep.state import read_runs, state_of
from frozenvl.sweep.study import SweepStudy
from frozenvl.sweep.worker import Worker, checkpoint_of, validations
from frozenvl.training.run_folder import note_saved
from frozenvl.util.errors import UserError

RUNS = ["k1-seed0", "k1-seed1", "k2-seed0", "k2-seed1"]


@pytest.mark.parametrize("storage", [None, pytest.param("sqlite:///state.db", marks=pytest.mark.nightly)])
def test_three_workers_run_each_exactly_once(sweep, storage):
    sweep.write(grid={"model.k": [1, 2, 3, 4]}, set={"fake.seconds": 0.01}, storage=storage)
    sweep.work(3)
    assert sweep.began() == sorted(f"k{k}-seed{seed}" for k in (1, 2, 3, 4) for seed in (0, 1))
    assert sorted(value for _, value in sweep.told()) == pytest.approx([1, 1.1, 2, 2.1, 3, 3.1, 4, 4.1])
    assert all(call["validated"] == "1.0" for call in sweep.calls("validated"))
    assert {call["threads"] for call in sweep.calls("start")} == {"3"}, "its share of the cores"
    steps = [(call["run"], call["step"]) for call in sweep.calls("step")]
    assert len(steps) == len(set(steps)) == 8 * 5
    sweep.work(2)
    assert len(sweep.began()) == 8, "what is done is not repeated"


def test_the_run_of_a_killed_worker_resumes_from_its_checkpoint(sweep):
    sweep.write(grid={"model.k": [1]}, set={"fake.seconds": 0.15})
    killed = sweep.start()
    until(lambda: len(sweep.calls("step")) >= 5 + 2)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    first, second = sweep.began()
    said = sweep.work()
    assert first == "k1-seed0" and second == "k1-seed1"
    assert sweep.began() == ["k1-seed0", "k1-seed1", "k1-seed1"], "what was finished is not repeated"
    again = sweep.calls("start")[-1]
    assert again["start"] >= 2 and "k1-seed1: resumed, attempt 2" in said
    steps = [call["step"] for call in sweep.calls("step") if call["run"] == "k1-seed1"]
    # Only the step of the kill may be done twice; more would mean that the killed attempt went on beside the second.
    assert sorted(set(steps)) == [1, 2, 3, 4, 5] and len(steps) <= 6
    assert [name for name, _ in sweep.told()] == ["COMPLETE", "COMPLETE"]


def test_a_kill_between_the_fit_and_the_validation_costs_no_fit(sweep):
    sweep.write(grid={"model.k": [1]}, seeds=[0])
    sweep.work()
    Path("runs/try/k1-seed0/attempts/1.json").write_text(
        '{"host": "elsewhere", "pid": 1, "ended": "interrupted"}'
    )
    Path("runs/try/k1-seed0/evaluation/captions/score.json").unlink()
    assert state_of(Path("runs/try/k1-seed0"))[0] == "interrupted"
    sweep.work()
    assert len(sweep.calls("start")) == 1 and len(sweep.calls("validated")) == 2


def test_an_interrupted_worker_keeps_finished_work(sweep):
    sweep.write(set={"fake.seconds": 0.1})
    worker = sweep.start()
    until(lambda: len(sweep.calls("step")) >= 2)
    worker.send_signal(signal.SIGINT)
    said, _ = worker.communicate(timeout=30)
    assert worker.returncode == 0 and "k1-seed0: interrupted" in said
    assert [state.state for state in read_runs(Path("runs/try"), "captions/CIDEr")] == ["interrupted"]
    sweep.work()
    assert sweep.began() == ["k1-seed0", *RUNS] and sweep.calls("start")[1]["start"] >= 1


def test_a_signal_is_noted_and_the_former_handlers_come_back():
    former = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    worker = Worker(None, {}, 1)
    with suppress(UserError), worker.listening():
        signal.raise_signal(signal.SIGTERM)
        assert worker.signal == signal.SIGTERM
        raise UserError("a run that is done lacks the metric")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == former


def test_only_added_values_and_seeds_are_run(sweep):
    sweep.write()
    sweep.work()
    sweep.write(grid={"model.k": [1, 2, 8]}, seeds=[0, 1, 2])
    sweep.work(2)
    assert sweep.began() == sorted([*RUNS, "k1-seed2", "k2-seed2", "k8-seed0", "k8-seed1", "k8-seed2"])


def test_removed_values_are_not_run(sweep):
    sweep.write(seeds=[0])
    SweepStudy(read_spec(Path("sweep.yaml")))
    sweep.write(grid={"model.k": [2]}, seeds=[0])
    sweep.work()
    assert sweep.began() == ["k2-seed0"]
    sweep.write(seeds=[0])
    sweep.work()
    assert sweep.began() == ["k1-seed0", "k2-seed0"]


def test_a_failed_run_is_reported_and_skipped_until_retry(sweep):
    sweep.write(set={"fake.fail": "k1-seed1"})
    said = sweep.work()
    assert "k1-seed1: failed: it fails as it was told (full log: runs/try/k1-seed1/log.txt)" in said
    assert sorted(state for state, _ in sweep.told()) == ["COMPLETE"] * 3 + ["FAIL"]
    sweep.work()
    assert len(sweep.began()) == 4
    sweep.write(set={"fake.fail": ""})
    sweep.work(1, "--retry")
    assert sweep.began() == sorted([*RUNS, "k1-seed1"]) and state_of(Path("runs/try/k1-seed1"))[0] == "done"


def test_a_failed_point_of_a_search_is_run_again_by_retry(sweep):
    settings = {"grid": None, "search": {"model.k": {"low": 1, "high": 1000}}, "trials": 1, "seeds": [0]}
    sweep.write(**settings)
    sweep.work()
    (first,) = sweep.began()
    shutil.rmtree("runs")  # a new study draws the same point
    sweep.write(**settings, set={"fake.fail": first})
    sweep.work()
    sweep.work()
    assert sweep.began() == [first] * 2 and sweep.told() == [("FAIL", None)]
    sweep.write(**settings, set={"fake.fail": ""})
    sweep.work(2, "--retry")
    assert sweep.began() == [first] * 3
    assert [state for state, _ in sweep.told()] == ["FAIL", "COMPLETE"]


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGTERM"])
def test_a_killed_command_is_resumed_by_the_same_worker(sweep, signal):
    kill = {"fake.kill": "k1-seed1", "fake.kills": 1, "fake.signal": signal}
    sweep.write(grid={"model.k": [1]}, set=kill)
    assert "k1-seed1: resumed, attempt 2" in sweep.work()
    assert [(call["run"], call["start"]) for call in sweep.calls("start")] == [
        ("k1-seed0", 0),
        ("k1-seed1", 0),
        ("k1-seed1", 1),
    ]
    assert f"killed by {signal}" in Path("runs/try/k1-seed1/log.txt").read_text()
    assert state_of(Path("runs/try/k1-seed1"))[0] == "done"


def test_a_command_that_is_killed_repeatedly_has_failed(sweep):
    sweep.write(set={"fake.kill": "k1-seed1", "fake.kills": 9})
    said = sweep.work()
    assert "k1-seed1: failed: killed by SIGKILL, probably because memory ran out (full log: runs/try" in said
    assert sweep.began() == ["k1-seed0", *["k1-seed1"] * 3, "k2-seed0", "k2-seed1"]
    assert state_of(Path("runs/try/k1-seed1"))[0] == "failed"


def test_a_run_whose_folder_was_removed_is_run_again(sweep):
    sweep.write(grid={"model.k": [1]}, seeds=[0])
    sweep.work()
    Path("runs/try/k1-seed0").rename("elsewhere")
    sweep.work()
    assert sweep.began() == ["k1-seed0"] * 2


def test_a_metric_that_no_run_has_stops_the_worker(sweep):
    sweep.write(metric="captions/CIDer")
    worker = sweep.start()
    said, _ = worker.communicate(timeout=30)
    assert worker.returncode != 0 and len(sweep.began()) == 1
    assert "the metric captions/CIDer is not among its scores; there are captions/CIDEr" in said


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_search_can_get_more_trials_later(sweep, sampler):
    search = {"model.k": {"low": 1, "high": 1000}, "model.lr": {"low": 1e-4, "high": 1e-1, "log": True}}
    settings = {"grid": None, "search": search, "sampler": sampler, "seeds": [0, 1]}
    sweep.write(**settings, trials=4)
    sweep.work(3)
    assert len(sweep.began()) == len(set(sweep.began())) == 8
    sweep.write(**settings, trials=6)
    sweep.work(2)
    assert len(sweep.began()) == len(set(sweep.began())) == 12, "other points, with both seeds"
    assert [state for state, _ in sweep.told()] == ["COMPLETE"] * 6
    given = [call["given"] for call in sweep.calls("start")]
    assert {1e-4 <= float(each["model.lr"]) <= 1e-1 for each in given} == {True}
    best = max(float(each["model.k"]) + 0.05 for each in given)  # the mean over seeds 0 and 1
    assert max(value or 0 for _, value in sweep.told()) == pytest.approx(best)


def test_a_killed_search_resumes_the_same_point(sweep):
    search = {"model.k": {"low": 1, "high": 1000}}
    sweep.write(grid=None, search=search, trials=1, seeds=[0], set={"fake.seconds": 0.1})
    killed = sweep.start()
    until(lambda: len(sweep.calls("step")) >= 2)
    killed.kill()
    killed.wait()
    sweep.work()
    first, second = sweep.calls("start")
    assert first["run"] == second["run"] and second["start"] >= 1


def test_a_point_that_is_drawn_again_is_not_run_again(sweep):
    sweep.write(grid=None, search={"model.k": [1, 2]}, sampler="random", trials=8, seeds=[0])
    sweep.work(2)
    assert set(sweep.began()) <= {"k1-seed0", "k2-seed0"} and len(sweep.began()) <= 2
    sweep.work()  # finishes the point that another worker was running when it was drawn again
    assert [state for state, _ in sweep.told()] == ["COMPLETE"] * 8


def test_a_hopeless_trial_is_pruned(sweep):
    """The metric of the last run is below the median of the others at the same step. Grids can be pruned, too."""
    sweep.write(grid={"model.k": [9, 8, 7, 6, 5, 1]}, seeds=[0], pruner="median", set={"fake.seconds": 0.3})
    assert "k1-seed0: pruned" in sweep.work()
    assert [state for state, _ in sweep.told()] == ["COMPLETE"] * 5 + ["PRUNED"]
    assert not Path("runs/try/k1-seed0/evaluation").exists()
    sweep.work()
    assert len(sweep.began()) == 6, "what was pruned is finished"


def test_halving_keeps_the_better_half_at_the_first_validation(sweep):
    """The steps of a validation do not matter: at step 50 of 200 no rung has been passed but the first."""
    sweep.write(grid={"model.k": [1, 2]}, seeds=[0], pruner="halving")
    study = SweepStudy(read_spec(Path("sweep.yaml"))).study
    kept = []
    for k in (1, 8, 5, 7, 6, 4, 2, 6.5):
        history = "".join(json.dumps({"step": 50 * n, "captions/CIDEr": k * n}) + "\n" for n in (1, 2))
        Path("history.jsonl").write_text(history.partition("\n")[0] + "\n")
        trial = study.ask()
        (first,) = validations(Path(), "captions/CIDEr")
        trial.report(first, 1)
        if not trial.should_prune():
            kept.append(k)
        Path("history.jsonl").write_text(history + history)
        assert validations(Path(), "captions/CIDEr") == [k, 2 * k]
    assert kept == [1, 8, 7, 6.5]  # in the better half of those so far, rounded down; or the best


def test_a_pruned_fit_reports_its_validations_by_number(sweep):
    sweep.write(
        grid={"model.k": [2, 1]}, seeds=[0], pruner="halving", set={"fake.seconds": 0.3, "fake.every": 50}
    )
    sweep.work()
    first, second = SweepStudy(read_spec(Path("sweep.yaml"))).study.trials
    assert list(first.intermediate_values)[:3] == [1, 2, 3]
    assert first.state.name == "COMPLETE" and second.state.name == "PRUNED"
    assert second.intermediate_values == {1: 0.2}


def test_each_attempt_leaves_a_record(sweep):
    sweep.write(grid={"model.k": [1]}, seeds=[0])
    sweep.work()
    (record,) = (json.loads(path.read_text()) for path in Path("runs/try/k1-seed0/attempts").glob("*.json"))
    assert record["ended"] == "done" and record["pid"] > 0


def test_the_checkpoint_of_a_run_may_be_elsewhere_or_lost(tmp_path):
    run, elsewhere = tmp_path / "run", tmp_path / "disk" / "last.ckpt"
    assert checkpoint_of(run) is None
    elsewhere.parent.mkdir()
    elsewhere.touch()
    note_saved(run, elsewhere)
    assert checkpoint_of(run) == elsewhere
    elsewhere.unlink()
    assert checkpoint_of(run) == "last"  # upon which `fit` and `validate` say what is missing
