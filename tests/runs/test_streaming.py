"""Shards streamed through Lightning's Trainer: the order of samples survives any crash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from probes import seen
from running import CONFIG, add, checkpoint, history, same_weights

from frozenvl.data.shards.pack import pack
from frozenvl.data.sources.scenes import SceneCaptions
from frozenvl.data.sources.shards import Shards
from frozenvl.data.stream import Task, TrainingStream

BATCH, STEPS = 20, 15  # an epoch is 60 images with five captions each
SETTINGS = (
    "--config", "data.yaml", "--data.batch_size", BATCH, "--trainer.max_steps", STEPS,
    "--trainer.limit_val_batches", 0, *add("probes.Seen", folder="seen"),
)  # fmt: skip


@pytest.fixture(scope="module")
def tars(tmp_path_factory) -> Path:
    """Folder of nine shards of seven images; the last has four."""
    folder = tmp_path_factory.mktemp("tars")
    pack(SceneCaptions("train", 60, resolution=64), folder, samples_per_shard=7)
    return folder


@pytest.fixture
def streamed(frozenvl, tars):
    """Writes `data.yaml`, which trains on shards with a window of two, without evaluation."""
    source = {
        "class_path": "frozenvl.data.sources.shards.Shards",
        "init_args": {"shards": str(tars), "window": 2},
    }
    callbacks = [
        c for c in yaml.safe_load(CONFIG.read_text())["trainer"]["callbacks"] if "Model" in c["class_path"]
    ]
    data = {"train": {"captions": {"source": source, "weight": 1}}}
    Path("data.yaml").write_text(yaml.safe_dump({"data": data, "trainer": {"callbacks": callbacks}}))
    return frozenvl


def expected(tars: Path, lanes: int = 1) -> dict[int, list[str]]:
    """Returns the sample ids of each step, computed from the order."""
    stream = TrainingStream({"captions": Task(Shards(str(tars), window=2))}, seed=0, lanes=lanes)
    return {
        step: sorted(stream[position].id for position in range(step * BATCH, (step + 1) * BATCH))
        for step in range(STEPS)
    }


def test_an_epoch_reads_every_pair_once_and_few_shards_at_a_time(tars):
    stream = TrainingStream({"captions": Task(Shards(str(tars), window=2))}, seed=0)
    ids = [stream[position].id for position in range(2 * 300)]
    whole = sorted(f"scenes/train/caption/{image}#{n}" for image in range(60) for n in range(5))
    assert sorted(ids[:300]) == sorted(ids[300:]) == whole and ids[:300] != ids[300:]
    shard = [int(key.split("/")[3].split("#")[0]) // 7 for key in ids]
    for start in range(0, 270, 10):
        assert (
            len(set(shard[start : start + 10])) <= 4
        )  # one window, or the end of one and the start of the next


@pytest.mark.parametrize(
    ("ranks", "workers"), [(1, 0), (1, 1), (1, 4), (2, 0), (2, 1), (2, 4), (3, 1), (8, 0)]
)
def test_global_batches_are_the_same_on_any_ranks_and_workers(streamed, tars, ranks, workers):
    assert streamed("fit", *SETTINGS, "--data.workers", workers, ranks=ranks) == 0
    assert seen("seen") == expected(tars)


@pytest.mark.nightly
@pytest.mark.parametrize("ranks", [1, 2, 4, 8])
def test_global_batches_in_lanes_are_the_same_on_any_ranks(streamed, tars, ranks):
    assert streamed("fit", *SETTINGS, "--data.lanes", 4, ranks=ranks) == 0
    assert seen("seen") == expected(tars, lanes=4)


def test_a_run_in_lanes_goes_on_with_the_same_samples_on_more_and_on_fewer_ranks(streamed, tars):
    """Two ranks stop in step 7, four go on from step 6 and stop in step 11, and one goes on from step 10."""
    settings = (*SETTINGS, "--data.lanes", 4, "--model.mapper.init_args.dropout", 0)
    assert streamed("fit", *settings) == 0
    losses = [row["train/loss"] for row in history("tiny")]
    shutil.rmtree("seen")
    for ranks, stop in ((2, 7), (4, 11), (1, 0)):
        on = ("--ckpt_path", "last") if Path("runs/cut").exists() else ()
        probe = add("probes.StopAt", step=stop) if stop else ()
        assert streamed("fit", *settings, *probe, *on, name="cut", ranks=ranks) == bool(stop)
        for file in Path("seen").iterdir():  # the step after the checkpoint is done again
            kept = [line for line in file.open() if not line.startswith(f"[{stop - 1},")]
            file.write_text("".join(kept))
    assert seen("seen") == expected(tars, lanes=4)
    rows = history("cut")
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert [row["train/loss"] for row in rows] == pytest.approx(losses, rel=1e-5)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("before", "after", "lanes"), [(1, 1, 1), (1, 2, 1), (2, 1, 1), (1, 4, 4), (4, 2, 4)]
)
def test_a_run_that_was_killed_in_the_middle_of_an_epoch_reads_on_where_it_stopped(
    streamed, tars, before, after, lanes
):
    """Kills all processes with SIGKILL within step 7; the last checkpoint is from step 6."""
    settings = (*SETTINGS, "--data.lanes", lanes)
    fork = ["--trainer.devices", before, "--trainer.strategy", "ddp_fork" if before > 1 else "auto"]
    options = [
        *streamed.models,
        *fork,
        "--name",
        "cut",
        *settings,
        "--data.workers",
        1,
        *add("probes.KillAt", step=7),
    ]
    killed = subprocess.run(
        [sys.executable, "-m", "frozenvl", "fit", "--config", str(CONFIG), *map(str, options)],
        env={**os.environ, "PYTHONPATH": str(CONFIG.parent), "OMP_NUM_THREADS": "1"},  # like this process
        capture_output=True,
        start_new_session=True,
        text=True,
    )
    assert killed.returncode == -9, killed.stderr
    assert checkpoint("cut")["global_step"] == 6
    resume = ("--data.workers", 2, "--ckpt_path", "last")
    assert streamed("fit", *settings, *resume, name="cut", ranks=after) == 0
    wanted = expected(tars, lanes)
    times = {step: Counter(keys) for step, keys in seen("seen").items()}
    assert times.keys() == wanted.keys()
    for step, keys in wanted.items():
        # Step 6 was repeated, and step 7 by the ranks that had finished it.
        assert times[step].keys() == set(keys)
        assert step in (6, 7) or set(times[step].values()) == {1}
    if before == after:
        cut = checkpoint("cut")
        shutil.rmtree("seen")
        assert streamed("fit", *settings) == 0
        assert same_weights(cut, checkpoint("tiny"))
