"""Runs a sweep: many variants of one fit, each exactly once, on any number of workers and machines."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from frozenvl.util.arguments import count, setting
from frozenvl.util.errors import RunError, UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", type=Path, metavar="SPEC", help="YAML file of the sweep (docs/sweeps.md)")
    parser.add_argument(
        "--jobs", type=count, default=1, help="number of parallel runs, which share the cores (default: 1)"
    )
    parser.add_argument(
        "--worker",
        action="store_true",
        help="work as one of several cluster jobs that share the folder: take runs until none is left, print no table",
    )
    parser.add_argument(
        "--trials", type=count, help="maximum number of runs (for an element of a job array: 1)"
    )
    parser.add_argument(
        "--set",
        type=setting,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="setting for this machine only, such as data.root=DATA/flickr8k; may be repeated",
    )
    parser.add_argument("--retry", action="store_true", help="run failed runs again")


def run(args: argparse.Namespace) -> int:
    """Runs the remaining runs of a sweep, and prints its table unless --worker. Returns the exit status."""
    from frozenvl.sweep.pool import run_workers
    from frozenvl.sweep.preflight import open_sweep
    from frozenvl.sweep.spec import read_spec
    from frozenvl.sweep.study import SweepStudy
    from frozenvl.sweep.worker import Worker

    if args.worker and args.jobs > 1:
        raise UserError("--worker is one of several by itself; start as many as you like, without --jobs")
    spec, options = read_spec(args.spec), dict(args.set)
    batch_size = open_sweep(spec, options, parser)
    study = SweepStudy(spec, args.retry)
    worker = Worker(study, options, batch_size, say=lambda line: print(f"sweep: {line}", flush=True))
    with worker.listening():
        if not args.worker:
            return run_workers(worker, args.jobs, args.trials)
        worker.work(args.trials)
    if worker.signal:
        return 128 + worker.signal
    if not worker.outcomes:
        print("sweep: nothing left to take", flush=True)
    if "failed" in worker.outcomes:
        raise RunError("a run failed; its line above says why. `--retry` runs again what failed")
    return 0


def parser() -> Any:
    """Returns a parser of configurations. Takes some seconds, because it imports all classes."""
    from frozenvl.training.parsing import configuration_parser

    return configuration_parser()
