"""`kill -9` at any moment: the run resumes from its last checkpoint and ends with the same result."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path

import pytest
from processes import start
from running import add, checkpoint, history, same_weights

KILLS = 10
RESUME = ("--resume", "true")


@pytest.fixture(scope="module")
def whole(drilled):
    """Weights, history and numbers of calls of an uninterrupted run."""
    assert start(drilled, *add("moments.Moments", file="moments.json"), name="whole").wait() == 0
    return checkpoint("whole"), history("whole"), json.loads(Path("moments.json").read_text())


def assert_same_end(whole) -> None:
    weights, rows, _ = whole
    assert checkpoint("cut")["global_step"] == 16
    assert same_weights(checkpoint("cut"), weights)
    assert history("cut") == rows
    steps = [row["step"] for row in rows if "train/loss" in row]
    assert steps == list(range(1, 17)) and [r["step"] for r in rows if "val/loss" in r] == [5, 10, 15]
    assert not list(Path("runs/cut").rglob("*.tmp"))


def kills() -> list[dict]:
    return [json.loads(line) for line in Path("kills.jsonl").read_text().splitlines()]


@pytest.mark.nightly
def test_a_run_killed_ten_times_ends_like_an_uninterrupted_one(drilled, whole):
    """Kills one run at ten seeded moments: three while a checkpoint is written, two in a validation, and five
    within a few steps of training.
    """
    dice, calls = random.Random(0), whole[2]
    moments = [("saving", dice.randint(1, calls["saving"])) for _ in range(3)]
    moments += [("validation", dice.randint(1, calls["validation"])) for _ in range(2)]
    moments += [("fit", dice.randint(1, calls["fit"] // 12)) for _ in range(5)]
    dice.shuffle(moments)
    reached = []
    for within, moment in moments:
        killed = start(drilled, *RESUME, *add("moments.Moments", kill_at=moment, within=within))
        assert killed.wait() == -signal.SIGKILL, killed.output()
        last = Path("runs/cut/checkpoints/last.ckpt")
        reached.append(checkpoint("cut")["global_step"] if last.exists() else 0)
    print(f"killed {kills()}\nlast checkpoint after each: {reached}")
    assert sum("saving" in kill["within"] for kill in kills()) >= 3
    assert sum("validation" in kill["within"] for kill in kills()) >= 2
    assert len({kill["step"] for kill in kills()}) >= 5 and max(kill["step"] for kill in kills()) >= 10
    assert reached == sorted(reached)
    assert start(drilled, *RESUME).wait() == 0
    assert_same_end(whole)


@pytest.mark.nightly
def test_a_run_whose_ranks_were_killed_ends_like_an_uninterrupted_one(drilled, whole, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for part, rank in ((4, 1), (5, 0)):  # rank 1 makes fewer than half of the calls of a run alone
        moment = add("moments.Moments", kill_at=whole[2]["fit"] // part, rank=rank)
        killed = start(drilled, *RESUME, *moment, ranks=2)
        assert killed.wait() == 1, killed.output()
    first, second = (kill["step"] for kill in kills())
    assert 2 < first < second
    assert start(drilled, *RESUME, ranks=2).wait() == 0
    assert start(drilled, name="whole", ranks=2).wait() == 0
    assert same_weights(checkpoint("cut"), checkpoint("whole"))
    assert history("cut") == history("whole")
