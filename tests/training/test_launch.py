"""Environment of Slurm and torchrun, compared with the Trainer's nodes and devices."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from running import one_line

from frozenvl.cli import main
from frozenvl.training.launch import Launch, check_launch, launch
from frozenvl.util.errors import UserError

SCRIPTS = Path(__file__).parents[2] / "experiments" / "slurm"
STEP = {
    "SLURM_NTASKS": "4",
    "SLURM_NTASKS_PER_NODE": "2",
    "SLURM_NNODES": "2",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
    "SLURM_STEP_ID": "0",
}
TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "6", "LOCAL_WORLD_SIZE": "3"}


def test_the_launcher_of_a_process_is_detected():
    assert launch({}) is None
    assert launch(STEP | {"SLURM_JOB_NAME": "interactive"}) is None
    assert launch(STEP) == Launch("Slurm", 2, 2)
    assert launch(TORCHRUN) == launch(STEP | TORCHRUN) == Launch("torchrun", 2, 3)


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("SLURM_STEP_ID", "the Slurm job has 4 tasks, but this is its script: start the command by `srun`"),
        ("SLURM_PROCID", "Slurm's SLURM_PROCID is not set in this process"),
        (
            "SLURM_NTASKS_PER_NODE",
            "Slurm's SLURM_NTASKS_PER_NODE is not set in this process; submit with --nodes and --ntasks-per-node",
        ),
    ],
)
def test_a_missing_variable_is_an_error(lost, message):
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        launch({name: value for name, value in STEP.items() if name != lost})


@pytest.mark.parametrize(("environment", "by"), [(STEP, "Slurm"), (TORCHRUN, "torchrun")])
def test_different_numbers_of_processes_and_devices_are_refused(monkeypatch, environment, by):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    started = launch()
    check_launch(started.nodes, started.a_node)
    for nodes, devices in ((1, 1), (1, started.a_node), (started.nodes, 1)):
        with pytest.raises(UserError, match=f"{by} started .* is {nodes} × {devices}; set them alike"):
            check_launch(nodes, devices)


def test_nodes_without_a_launcher_are_refused(monkeypatch):
    check_launch(1, 4, by_itself=True)
    check_launch(2, 4)  # another launcher of Lightning, which is not checked
    with pytest.raises(UserError, match=r"is 2 × 4, but nothing starts the other nodes: .* srun or torchrun"):
        check_launch(2, 4, by_itself=True)
    monkeypatch.setenv("NODE_RANK", "1")
    check_launch(2, 4, by_itself=True)


def test_a_fit_on_nodes_without_a_launcher_is_one_error_line(frozenvl, capfd):
    assert frozenvl("fit", "--trainer.num_nodes", 2, ranks=2) == 2
    assert "nothing starts the other nodes" in one_line(capfd.readouterr().err)


def test_an_evaluation_with_a_different_number_of_devices_is_one_error_line(monkeypatch, capfd):
    for name, value in (STEP | {"SLURM_NTASKS": "2", "SLURM_NNODES": "1"}).items():
        monkeypatch.setenv(name, value)
    assert main(["evaluate", "nowhere", "--config", "nothing.yaml"]) == 2
    assert "Slurm started 2 process(es) on each of 1 node(s), but 1 × --devices is 1 × 1" in one_line(
        capfd.readouterr().err
    )


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("fit", "SLURM_JOB_ID is not set; submit with sbatch --nodes N --ntasks-per-node M"),
        ("evaluate", "SLURM_NTASKS_PER_NODE is not set; submit with sbatch --ntasks-per-node M"),
        ("sweep", "not a job array; submit with sbatch --array 0-7"),
    ],
)
def test_a_job_script_outside_of_slurm_is_one_error_line(script, message):
    """Runs the script with bash instead of sbatch."""
    bash = ["bash", str(SCRIPTS / f"{script}.sbatch")]
    done = subprocess.run(bash, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)
    assert (done.returncode, done.stderr, done.stdout) == (2, f"{script}.sbatch: {message}\n", "")


def test_a_fit_with_a_different_number_of_devices_is_one_error_line(frozenvl, monkeypatch, capfd):
    for name, value in STEP.items():
        monkeypatch.setenv(name, value)
    assert frozenvl("fit") == 2
    assert "Slurm started 2 process(es) on each of 2 node(s)" in one_line(capfd.readouterr().err)
