"""Optuna study of a sweep, and its storages."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest

from frozenvl.sweep.spec import read_spec
from frozenvl.sweep.study import SweepStudy
from frozenvl.util.errors import UserError


def test_finished_runs_are_recorded_in_a_new_storage(sweep):
    sweep.write()
    sweep.work()
    Path("runs/try/optuna.journal").unlink()
    sweep.work()
    assert len(sweep.began()) == 4
    assert sorted(value for _, value in sweep.told()) == pytest.approx([1, 1.1, 2, 2.1])


def test_two_folders_share_a_database_but_no_study(sweep, tmp_path):
    sweep.write(storage=f"sqlite:///{tmp_path}/state.db", seeds=[0])
    sweep.work()
    Path("runs").rename("other")
    sweep.work()
    assert len(sweep.began()) == 4
    assert len(optuna.get_all_study_names(f"sqlite:///{tmp_path}/state.db")) == 2


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ("sqlite:////no/such/folder/state.db", "unable to open database file"),
        ("nosuch://me:secret@host/db", "nosuch"),
        ("/proc/no/journal", "No such file"),
    ],
)
def test_a_storage_that_cannot_be_reached_is_one_error_line(sweep, storage, said):
    spec = read_spec(sweep.write(storage=storage))
    with pytest.raises(UserError) as error:
        SweepStudy(spec)
    message = str(error.value)
    assert (
        said in message and "cannot be reached" in message and "\n" not in message and "secret" not in message
    )


def test_a_storage_url_can_come_from_the_environment_and_is_not_shown(sweep, monkeypatch):
    monkeypatch.setenv("SWEEP_STORAGE", "sqlite:///state.db")
    spec = read_spec(sweep.write(storage="${oc.env:SWEEP_STORAGE}"))
    assert spec.storage == "sqlite:///state.db" and "state.db" not in repr(spec)


def test_several_workers_can_finish_the_same_trial(sweep):
    """Several workers find the runs of a trial done at the same time, so none of them has a lease."""
    spec = read_spec(sweep.write(grid={"model.k": [1]}, seeds=[0]))
    studies = [SweepStudy(spec) for _ in range(6)]
    task = studies[0].take()
    assert task is not None
    together = threading.Barrier(6)

    def tell(study):
        together.wait()
        study.tell(task, 1.0)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(tell, studies))
    assert sweep.told() == [("COMPLETE", 1.0)]
