"""Fake `frozenvl fit` and `validate` that leave the same files in a moment, and a worker that calls them.

python fake.py fit --config=… --model.k=2 --name=sweep/k2-seed0 …      one command
python fake.py worker SPEC                                              a worker whose runs call this file
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

STEPS = 5


def options(arguments: list[str]) -> dict[str, str]:
    return dict(argument.removeprefix("--").split("=", 1) for argument in arguments)


def fit(given: dict[str, str]) -> None:
    """Validates five times, `fake.seconds` and `fake.every` steps (1) apart, and saves a checkpoint each time.

    The run `fake.fail` fails. The run `fake.kill` is killed in the second step of an attempt, as long as the attempt
    starts from a step below `fake.kills`.
    """
    folder = Path("runs") / given["name"]
    start = json.loads(Path(given["ckpt_path"]).read_text()) if "ckpt_path" in given else 0
    note({"run": folder.name, "start": start, "given": given, "threads": os.environ.get("OMP_NUM_THREADS")})
    if given.get("fake.fail") == folder.name:
        sys.exit("frozenvl: error: it fails as it was told")
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    for step in range(start + 1, STEPS + 1):
        time.sleep(float(given.get("fake.seconds", 0)))
        note({"run": folder.name, "step": step})
        if given.get("fake.kill") == folder.name and int(given["fake.kills"]) > start and step == start + 2:
            os.kill(os.getpid(), getattr(signal, given.get("fake.signal", "SIGKILL")))
        with (folder / "history.jsonl").open("a") as history:
            validated = step * int(given.get("fake.every", 1))
            print(
                json.dumps({"step": validated, "captions/CIDEr": value(given) * step / STEPS}), file=history
            )
        (folder / "checkpoints" / "next").write_text(str(step))
        (folder / "checkpoints" / "next").replace(folder / "checkpoints" / "last.ckpt")
    cost = {
        "trained_parameters": 100 * int(given["model.k"]),
        "pairs": 320,
        "pairs_per_second": 8.0,
        "minutes": 0.5,
    }
    (folder / "cost.json").write_text(json.dumps(cost))


def validate(given: dict[str, str]) -> None:
    sys.path.append(str(Path(__file__).parents[1]))
    from scores import score_of, write

    folder = Path("runs") / given["name"]
    note({"run": folder.name, "validated": given["trainer.limit_val_batches"]})
    write(folder, score_of("captions", {"CIDEr": value(given)}, samples=10, of=10))


def value(given: dict[str, str]) -> float:
    return float(given["model.k"]) + float(given["seed_everything"]) / 10


def note(line: dict) -> None:
    with Path("calls.jsonl").open("a") as calls:
        calls.write(json.dumps(line) + "\n")


def worker(spec_file: str, *flags: str) -> None:
    from frozenvl.sweep.spec import read_spec
    from frozenvl.sweep.study import SweepStudy
    from frozenvl.sweep.worker import Worker

    study = SweepStudy(read_spec(Path(spec_file)), retry="--retry" in flags)
    made = Worker(study, {}, 64, threads=3, program=(sys.executable, __file__))
    with made.listening():
        made.work()


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    if command == "worker":
        worker(*rest)
    else:
        from frozenvl.sweep.child import watch

        threading.Thread(target=watch, daemon=True).start()
        {"fit": fit, "validate": validate}[command](options(rest))
