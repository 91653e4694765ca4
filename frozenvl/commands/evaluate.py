"""Evaluates a run or an export on the benchmarks of a YAML file. Resumes an interrupted evaluation."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint", type=Path, metavar="CKPT", help="a checkpoint, the folder of a run, or of an export"
    )
    parser.add_argument(
        "--config", type=Path, action="append", required=True, help="YAML file of benchmarks; may be repeated"
    )
    parser.add_argument("--root", help="folder of the data, for ${root} in the YAML file")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these benchmarks")
    parser.add_argument(
        "--views",
        nargs="+",
        default=["seeing"],
        choices=["seeing", "test-blind", "text-only"],
        help="how images are shown: as they are, black, or not at all (default: seeing)",
    )
    parser.add_argument("--batch_size", type=int, default=64, help="prompts per batch (default: 64)")
    parser.add_argument("--limit", type=int, help="maximum number of batches per setting, a random sample")
    parser.add_argument(
        "--devices", type=int, default=1, help="number of devices, with a process each (default: 1)"
    )
    parser.add_argument("--accelerator", default="auto", help="cpu, cuda or auto (default: auto)")


def run(args: argparse.Namespace) -> int:
    """Writes scores and predictions to `evaluation/` in the folder of the run or export, and prints the scores."""
    from dataclasses import replace

    from lightning.fabric import Fabric

    from frozenvl.evaluation.subject import Subject, load_exported
    from frozenvl.evaluation.suite import check_suite, read_suite, run_suite, session_of
    from frozenvl.model.hub import is_export
    from frozenvl.report.terminal import print_scores
    from frozenvl.training.launch import check_launch
    from frozenvl.training.trained_run import load_trained, run_folder
    from frozenvl.util.errors import UserError

    if args.batch_size < 1 or args.devices < 1 or (args.limit is not None and args.limit < 1):
        raise UserError("--batch_size, --devices and --limit must be at least 1")
    check_launch(1, args.devices, "1 × --devices")
    # On a machine of a cluster, one process without srun is what was asked for.
    warnings.filterwarnings("ignore", message=".*The `srun` command is available")
    strategy = "ddp" if args.devices > 1 else "auto"
    fabric = Fabric(accelerator=args.accelerator, devices=args.devices, strategy=strategy)
    benchmarks = read_suite(args.config, args.root, args.only)
    exported = is_export(args.checkpoint)
    subject: Subject = load_exported(args.checkpoint) if exported else load_trained(args.checkpoint)
    folder = args.checkpoint if exported else run_folder(args.checkpoint)
    session = session_of(subject, folder / "evaluation", args.views, args.batch_size, args.limit)
    check_suite(benchmarks, session)
    fabric.launch()  # only after the checks, so that one process alone reports errors
    subject.model.to(fabric.device)
    run_suite(benchmarks, replace(session, rank=fabric.global_rank, world_size=fabric.world_size))
    if fabric.is_global_zero:
        print_scores([folder], list(benchmarks))
    return 0
