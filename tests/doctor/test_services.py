"""Checks of Java, the hub, Slurm and of ranks that talk to each other."""

from __future__ import annotations

import socket

import huggingface_hub.constants
import huggingface_hub.utils
import pytest

from frozenvl.doctor import services


def test_java_metrics_that_cannot_be_computed_are_notes(monkeypatch):
    reasons = {"METEOR": None, "SPICE": "no jars"}
    monkeypatch.setattr("frozenvl.metrics.java.why_not", reasons.get)
    meteor, spice = services.java()
    assert meteor.level == "ok" and spice.level == "note" and "no jars" in spice.text


class Session:
    """HTTP session that answers, or fails with an exception."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def head(self, url, timeout):
        if self.error:
            raise self.error


@pytest.mark.parametrize(("error", "level"), [(None, "ok"), (TimeoutError("late"), "note")])
def test_the_hub(monkeypatch, error, level):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.utils, "get_session", lambda: Session(error))
    (found,) = services.hub()
    assert found.level == level
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    (found,) = services.hub()
    assert "switched off" in found.text


def test_slurm(monkeypatch):
    monkeypatch.setattr(services.shutil, "which", lambda name: None)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert next(services.slurm()).text == "no Slurm"
    monkeypatch.setattr(services.shutil, "which", lambda name: "/usr/bin/sbatch")
    assert "configs/trainer/slurm.yaml" in next(services.slurm()).text
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    monkeypatch.setenv("SLURM_NTASKS", "4")
    assert next(services.slurm()).text == "Slurm job 7: 2 nodes, 4 tasks"


@pytest.mark.nightly
def test_two_ranks_talk_to_each_other(monkeypatch):
    monkeypatch.setenv("SLURM_PROCID", "0")  # of a job around it, which must not reach the ranks
    (found,) = services.ranks()
    assert found.level == "ok"


def test_ranks_that_fail_or_hang_are_errors_and_are_ended(monkeypatch):
    monkeypatch.setattr(services, "RANK", "raise SystemExit('no such interface')")
    (found,) = services.ranks()
    assert found.level == "error" and "no such interface" in found.text
    started, run = [], services.subprocess.Popen
    monkeypatch.setattr(
        services.subprocess, "Popen", lambda *args, **options: started.append(run(*args, **options)) or started[-1]
    )  # fmt: skip
    monkeypatch.setattr(services, "RANK", "import time; time.sleep(60)")
    monkeypatch.setattr(services, "RANK_SECONDS", 0.2)
    (found,) = services.ranks()
    assert found.level == "error" and "did not meet within" in found.text
    assert [process.wait(5) for process in started] == [-9, -9]


def test_no_port(monkeypatch):
    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(services, "free_port", refused)
    (found,) = services.ranks()
    assert found.level == "error" and "Permission denied" in found.text


def test_a_free_port_can_be_opened():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", services.free_port()))
