"""Writes folders of sweeps, like those that runs leave, in the current folder."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from scores import score_of, write

from frozenvl.sweep.grid import Point, SweepRun

SPEC = {
    "name": "try",
    "about": "<why>",
    "metric": "captions/CIDEr",
    "direction": "maximize",
    "search": {},
    "trials": 0,
}
RATE = "model.optimizer.init_args.lr"


def write_run(
    run: SweepRun, value: float, steps: int = 3, ended: str = "done", parameters: int = 100
) -> Path:
    folder = Path("runs/try") / run.name
    (folder / "attempts").mkdir(parents=True)
    (folder / "attempts/1.json").write_text(json.dumps({"host": "h", "pid": 1, "ended": ended}))
    (folder / "trial.json").write_text(json.dumps(run.as_json()))
    rows = [{"step": step, "train/loss": 3 - value * step} for step in range(1, steps + 1)]
    (folder / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if ended == "done":
        cost = {"trained_parameters": parameters, "pairs": 320, "pairs_per_second": 8.0, "minutes": 0.5}
        (folder / "cost.json").write_text(json.dumps(cost))
        scores = {"CIDEr": value, "Bleu_4": value / 2}
        ends = {key: (value - 0.01, value + 0.01) for key, value in scores.items()}
        write(folder, score_of("captions", scores, intervals=ends, samples=10, of=10))
        losses = {"loss": 2.0, "perplexity": 10 - value}
        write(folder, score_of("perplexity", losses, samples=10, of=10))
    return folder


def write_sweep(values: dict[str, dict], seeds: tuple[int, ...] = (0, 1, 2), **changes) -> None:
    """Writes a sweep whose runs are all done.

    Args:
        values: arm → point → score of seed 0; a point is a tuple of (key, value) pairs.
        seeds: seeds of each point; each adds a tenth of itself to the score.
        changes: changes to the specification.
    """
    arms = []
    for arm, points in values.items():
        arms.append({"name": arm, "fixed": {}, "points": [{"arm": arm, "values": dict(p)} for p in points]})
        for number, (point, value) in enumerate(points.items()):
            for seed in seeds:
                run = SweepRun(Point(arm, dict(point)), seed)
                write_run(run, value + seed / 10, parameters=100 * (number + 1))
    spec = SPEC | {"arms": arms, "seeds": list(seeds)} | changes
    Path("runs/try/sweep.yaml").write_text(yaml.safe_dump({"spec": spec}))


def ks(*values: float, key: str = "model.k") -> dict:
    """Returns the points k = 1, 2, 4 … with their scores."""
    return {((key, 2**number),): value for number, value in enumerate(values)}
