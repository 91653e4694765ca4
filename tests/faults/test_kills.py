"""`kill -9` at any moment: the run goes on from its last checkpoint and ends as if nothing had been."""

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
    """An uninterrupted run, and its moments."""
    assert start(drilled, *add("moments.Moments", file="moments.json"), name="whole").wait() == 0
    return checkpoint("whole"), history("whole"), json.loads(Path("moments.json").read_text())


def ended_alike(whole) -> None:
    weights, rows, _ = whole
    assert checkpoint("cut")["global_step"] == 16
    assert same_weights(checkpoint("cut"), weights)
    assert history("cut") == rows
    steps = [row["step"] for row in rows if "train/loss" in row]
    assert steps == list(range(1, 17)) and [r["step"] for r in rows if "val/loss" in r] == [5, 10, 15]
    assert not list(Path("runs/cut").rglob("*.tmp"))


def test_ten_kills_in_a_row_leave_no_trace(drilled, whole):
    """One run, killed at seeded moments of the time that it takes for two steps or so, thrice while it saves."""
    dice, saves = random.Random(0), whole[2]["saves"]
    part = whole[2]["calls"] // 10
    moments = [dice.randrange(part) for _ in range(KILLS - 3)] + [dice.randint(*saves[k]) for k in (0, 1, 2)]
    dice.shuffle(moments)
    reached = []
    for moment in moments:
        killed = start(drilled, *RESUME, *add("moments.Moments", kill_at=moment))
        assert killed.wait() == -signal.SIGKILL, killed.said()
        last = Path("runs/cut/checkpoints/last.ckpt")
        reached.append(checkpoint("cut")["global_step"] if last.exists() else 0)
    assert reached == sorted(reached) and reached[-1] > 0
    print(f"checkpoints after each kill: {reached}")
    assert start(drilled, *RESUME).wait() == 0
    ended_alike(whole)
