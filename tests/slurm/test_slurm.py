"""The project's own sbatch scripts, under a real Slurm of two nodes on this machine."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from cluster import Cluster, why_not
from processes import DRILL, start, until
from running import CONFIG, add, checkpoint, history, same_weights

from frozenvl.cli import main

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.nightly,
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
]
ROOT = CONFIG.parents[1]
FIT = ROOT / "experiments" / "slurm" / "fit.sbatch"
HERE = ("--trainer.accelerator", "cpu")


@pytest.fixture(scope="module")
def cluster(drilled):
    """Cluster whose jobs find this environment's command and the project's configurations."""
    Path("configs").symlink_to(ROOT / "configs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        patch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'tests'}")
        patch.setenv("OMP_NUM_THREADS", "1")
        with Cluster(Path("slurm")) as running:
            yield running


@pytest.fixture(scope="module")
def submit(cluster, drilled):
    def submit(
        name: str, *options: object, nodes: int = 2, script: Path = FIT, extra: tuple[str, ...] = ()
    ) -> str:
        """Submits a job that trains the tiny model; returns its number."""
        sbatch = ("sbatch", "--parsable", f"--nodes={nodes}", f"--output={name}.log", *extra, str(script))
        fit = ("--config", CONFIG, *drilled.models, *DRILL, "--name", name, *HERE, *options)
        job = cluster(*sbatch, *map(str, fit)).strip()
        assert job.isdigit(), job
        return job

    return submit


@pytest.fixture(scope="module")
def whole(drilled):
    """Weights and history of an uninterrupted run of two processes without Slurm."""
    assert start(drilled, name="whole", ranks=2).wait() == 0
    return checkpoint("whole"), history("whole")


def waiting(rank: int) -> Path:
    """Returns the file that exists once a rank waits in the middle of a step (probes.Wait)."""
    return Path(f"waiting-{rank}")


def test_two_nodes_train_like_two_devices(submit, cluster, whole):
    assert cluster.ended(submit("nodes")) == "COMPLETED 0:0", Path("nodes.log").read_text()
    assert same_weights(checkpoint("nodes"), whole[0])
    assert history("nodes") == whole[1]


def test_a_requeue_and_a_preemption_in_mid_epoch_leave_no_trace(submit, cluster, whole):
    """Requeues the job, then sends the signal that Slurm sends before the time limit; the job requeues itself."""
    probes = (*add("probes.Wait", step=2, seconds=4), *add("probes.Wait", step=6, seconds=4))
    job = submit("again", *probes)
    until(waiting(1))
    cluster("scontrol", "requeue", job)
    log = Path("again.log")
    until(log, "start 1 on")
    assert (
        checkpoint("again")["global_step"] == 3
    )  # the lines of the ranks are lost, since srun ends before them
    waiting(1).unlink()
    until(waiting(1))
    cluster("scancel", "--signal=USR1", job)
    until(log, "stopped by SIGUSR1 after step 7")
    assert cluster.ended(job) == "COMPLETED 0:0", log.read_text()
    printed = log.read_text()
    print(
        "\n".join(
            line
            for line in printed.splitlines()
            if line[2:3] == ":" or line.startswith(("frozenvl", "slurm"))
        )
    )
    assert all(f"start {count} on" in printed for count in range(3)) and "start 3 on" not in printed
    assert same_weights(checkpoint("again"), whole[0])
    assert history("again") == whole[1]


def test_a_preempted_job_is_requeued(submit, cluster, whole):
    """Slurm preempts with SIGTERM to the ranks, and some time to save."""
    for rank in range(2):
        waiting(rank).unlink(missing_ok=True)
    job = submit("driven", *add("probes.Wait", step=4, seconds=6))
    until(waiting(1))
    urgent = cluster(
        "sbatch", "--parsable", "--partition=urgent", "--nodes=2", "--output=urgent.log", "--wrap=sleep 1"
    ).strip()
    log = Path("driven.log")
    until(log, "stopped by SIGTERM after step")
    assert cluster.ended(urgent) == "COMPLETED 0:0"
    assert cluster.ended(job) == "COMPLETED 0:0", log.read_text()
    assert "start 1 on" in log.read_text() and "start 2 on" not in log.read_text()
    assert same_weights(checkpoint("driven"), whole[0])
    assert history("driven") == whole[1]


def test_a_cancelled_job_saves_and_is_not_requeued(submit, cluster):
    for rank in range(2):
        waiting(rank).unlink(missing_ok=True)
    job = submit("cancelled", *add("probes.Wait", step=4, seconds=3))
    until(waiting(1))
    cluster("scancel", job)
    assert cluster.ended(job).split()[0] == "CANCELLED"
    saved = Path("runs/cancelled/checkpoints/last.ckpt")
    end = time.monotonic() + 10
    while time.monotonic() < end and torch.load(saved, weights_only=True)["global_step"] < 5:
        time.sleep(0.2)
    assert checkpoint("cancelled")["global_step"] == 5
    time.sleep(8)  # longer than a requeued job waits
    assert (
        cluster.state(job).split()[0] == "CANCELLED" and "start 1 on" not in Path("cancelled.log").read_text()
    )


def test_an_evaluation_on_two_devices_of_a_node(cluster, whole):
    scenes = {
        "class_path": "frozenvl.data.sources.scenes.SceneCaptions",
        "init_args": {"split": "val", "size": 20, "resolution": 64},
    }
    captions = {
        "class_path": "frozenvl.evaluation.Captions",
        "init_args": {"source": scenes, "max_new_tokens": 5},
    }
    Path("suite.yaml").write_text(yaml.safe_dump({"benchmarks": {"scenes": captions}}))
    shutil.copytree("runs/whole", "runs/alone")
    options = ("--nodes=1", "--ntasks-per-node=2", "--output=evaluate.log")
    words = ("runs/whole", "--config", "suite.yaml", "--accelerator", "cpu", "--batch_size", "4")
    job = cluster("sbatch", "--parsable", *options, str(FIT.with_name("evaluate.sbatch")), *words).strip()
    assert cluster.ended(job) == "COMPLETED 0:0", Path("evaluate.log").read_text()
    assert main(["evaluate", "runs/alone", *words[1:]]) == 0
    predictions = [
        Path(f"runs/{run}/evaluation/scenes/predictions.jsonl").read_text() for run in ("whole", "alone")
    ]
    assert predictions[0] == predictions[1] and len(predictions[0].splitlines()) == 20


def test_a_dead_node_ends_the_job_and_the_run_resumes_on_one_node(submit, cluster, drilled):
    """The losses are the same, since the run has no dropout, which is random per rank."""
    plain = ("--model.mapper.init_args.dropout", 0)
    assert start(drilled, *plain, name="plain").wait() == 0
    for rank in range(2):
        waiting(rank).unlink(missing_ok=True)
    job = submit("dead", *plain, *add("probes.Wait", step=8, seconds=2), extra=("--no-requeue",))
    until(waiting(1))
    begun = time.monotonic()
    cluster.kill_node("n2")
    state = cluster.ended(job)
    assert time.monotonic() - begun < 60
    assert state.split()[0] in ("FAILED", "NODE_FAIL"), state
    assert checkpoint("dead")["global_step"] == 8
    assert cluster.ended(submit("dead", *plain, nodes=1)) == "COMPLETED 0:0", Path("dead.log").read_text()
    rows, expected = history("dead"), history("plain")
    assert [row["step"] for row in rows] == [row["step"] for row in expected]
    for key in ("train/loss", "val/loss"):
        losses = [row[key] for row in rows if key in row]
        assert losses == pytest.approx([row[key] for row in expected if key in row], rel=1e-4)
    cluster.start_node("n2")


def test_each_element_of_a_job_array_takes_a_run_of_a_sweep(cluster, drilled):
    """Each element has one node."""
    named = dict(zip(("model.language", "model.vision.init_args.name"), drilled.models[1::2], strict=True))
    short = {"trainer.limit_val_batches": 2, "trainer.val_check_interval": 2, "trainer.max_steps": 2}
    spec = {
        "name": "array",
        "config": [str(CONFIG), str(DRILL[1])],
        "grid": {"model.k": [1, 2]},
        "seeds": [0],
        "metric": "val/loss",
        "validate": 2,
        "set": named | short,
    }
    Path("sweep.yaml").write_text(yaml.safe_dump(spec))
    script = FIT.with_name("sweep.sbatch")
    options = ("--array=1-2", "--output=array.log")
    job = cluster("sbatch", "--parsable", *options, str(script), "sweep.yaml").strip()
    ended = [cluster.ended(f"{job}_{element}") for element in (1, 2)]
    assert ended == ["COMPLETED 0:0"] * 2, Path("array.log").read_text()
    assert len(list(Path("runs/array").glob("*/checkpoints/last.ckpt"))) == 2
    assert len(list(Path("runs/array").glob("*/attempts/*.json"))) == 2
