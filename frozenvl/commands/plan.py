"""Forecasts memory, seconds and hours of a fit on N devices from its configuration; no weights are loaded. It takes
all options of `fit` (`--model.k 8`, `--data.root DATA`). A folder that holds only a language model's config.json can
stand in for that model."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from frozenvl.util.arguments import count, positive, share

if TYPE_CHECKING:
    from frozenvl.plan.forecast import Forecast, Row


NONE = "–"


def gigabytes(size: float) -> str:
    """Formats bytes as GB (10⁹ bytes)."""
    return f"{size / 1e9:.3g}" if size else NONE


CELLS: dict[str, Callable[[Row], str]] = {
    "frozen weights, GB": lambda row: gigabytes(row.frozen),
    "trained weights, gradients, optimiser": lambda row: gigabytes(row.trained),
    "gathered layers": lambda row: gigabytes(row.gathered),
    "activations, temporaries": lambda row: gigabytes(row.working),
    "process": lambda row: gigabytes(row.process),
    "memory, GB": lambda row: gigabytes(row.memory),
    "10¹² operations a step": lambda row: f"{row.operations / 1e12:.3g}",
    "seconds a step": lambda row: f"{row.seconds:.3g}",
    "share of communication": lambda row: f"{row.share:.1%}" if row.devices > 1 else NONE,
    "pairs a second, all devices": lambda row: f"{row.rate:,.1f}",
    "hours": lambda row: NONE if row.hours is None else f"{row.hours:,.3g}",
}
"""Rows of the table: title → function that formats a forecast's cell."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    vars(parser)["keeps_rest"] = True
    parser.add_argument(
        "--config",
        action="append",
        required=True,
        metavar="C",
        help="configuration, as for `fit`; may be repeated",
    )
    parser.add_argument(
        "--devices",
        type=count,
        nargs="+",
        default=[1],
        metavar="N",
        help="numbers of devices to plan for (default: 1)",
    )
    parser.add_argument(
        "--peak",
        type=positive,
        metavar="P",
        help="matrix product operations a second of a device, e.g. 3.12e14 (default: steps are measured on this "
        "machine, with fewer layers)",
    )
    parser.add_argument(
        "--share",
        type=share,
        default=0.3,
        help="share of the --peak that training reaches (default: 0.3, docs/planning.md)",
    )
    parser.add_argument(
        "--memory",
        type=positive,
        metavar="GB",
        help="memory of a device; adds a row that says which plans fit",
    )
    parser.add_argument(
        "--bandwidth",
        type=positive,
        default=25.0,
        metavar="GB",
        help="GB a second that a device sends and receives (default: 25, a network of 200 Gb/s)",
    )
    parser.add_argument(
        "--memory-bandwidth",
        type=positive,
        default=2000.0,
        metavar="GB",
        help="GB a second that a device reads from its own memory; used with --peak (default: 2000)",
    )
    parser.add_argument(
        "--tokens", type=count, metavar="T", help="target tokens per pair (default: those of the data, or 13)"
    )
    parser.add_argument(
        "--pairs",
        type=count,
        metavar="P",
        help="total number of training pairs (default: from the configuration)",
    )
    parser.add_argument("--json", action="store_true", help="print only the numbers, as JSON")


def run(args: argparse.Namespace) -> int:
    """Prints the plan; returns the exit status.

    Raises:
        UserError: if the configuration describes no fit, or the language model's config.json is missing.
    """
    from frozenvl.plan.fit_spec import Planned
    from frozenvl.plan.forecast import Device, Forecast
    from frozenvl.training.parsing import configuration_parser
    from frozenvl.util.kernel_cache import limit_kernel_cache

    limit_kernel_cache()
    options = [part for config in args.config for part in ("--config", config)]
    configuration = configuration_parser()([*options, *args.rest])
    planned = Planned(configuration, args.tokens, args.pairs, "bf16" if args.peak else None)
    device = Device(args.bandwidth * 1e9, args.peak, args.share, args.memory_bandwidth * 1e9)
    forecast = Forecast(planned, device)
    rows = [row for devices in args.devices for row in forecast.rows(devices)]
    if args.json:
        print(json.dumps([as_json(row) for row in rows], indent=1))
        return 0
    print_plan(args, forecast, rows)
    return 0


def as_json(row: Row) -> dict[str, Any]:
    """Returns a row with its derived numbers, in bytes and seconds."""
    derived = ("memory", "seconds", "share", "rate", "hours")
    return vars(row) | {name: getattr(row, name) for name in derived}


def print_plan(args: argparse.Namespace, forecast: Forecast, rows: list[Row]) -> None:
    """Prints the facts of the fit, the table, and the assumptions."""
    from frozenvl.util.printing import print_beside

    print(*described(forecast), sep="\n")
    columns = [f"{row.devices:,} {row.strategy}" if row.devices > 1 else "1" for row in rows]
    lines = [(name, [cell(row) for row in rows]) for name, cell in CELLS.items()]
    lines = [(name, cells) for name, cells in lines if {*cells} != {NONE}]
    if args.memory:
        fits = ["yes" if row.memory <= args.memory * 1e9 else "no" for row in rows]
        lines.append((f"fits into {args.memory:g} GB", fits))
    print_beside("per device", columns, lines)
    print(*assumed(args, forecast), sep="\n")


def described(forecast: Forecast) -> list[str]:
    """Returns lines on the models and on a step of the fit."""
    planned, model = forecast.planned, forecast.outline.model
    trained = sum(weight.numel() for weight in forecast.outline.trained)
    language = sum(weight.numel() for weight in model.language.parameters())
    vision = sum(weight.numel() for weight in model.vision.parameters())
    encoder_use = "features are cached" if planned.stage == "features" else "runs in each step"
    return [
        f"{planned.name}: {model.language.name}, {language:,} weights; {model.vision.name}, {vision:,} weights, "
        f"{encoder_use}; {trained:,} trained weights; frozen weights in {planned.precision}",
        f"a step: {planned.batch_size} pairs of {forecast.positions:.1f} positions, {forecast.targets:.1f} of them "
        "targets",
        *([str(planned.feature_budget)] if planned.feature_budget else []),
    ]


def assumed(args: argparse.Namespace, forecast: Forecast) -> list[str]:
    """Returns lines on the assumptions behind the numbers."""
    notes = list(forecast.planned.assumed)
    if args.peak:
        notes.append(
            f"a device does {args.peak:.3g} operations a second at best, and training reaches {args.share:.0%} of it, "
            f"unless reading the weights at {args.memory_bandwidth:g} GB a second takes longer; data is loaded in "
            "parallel; the driver's own memory is not included"
        )
    else:
        notes.append(
            f"seconds a step: measured on this machine with {forecast.measured} of "
            f"{forecast.planned.language.num_hidden_layers} layers, random weights and random images; every device "
            "is taken to be such a process"
        )
    if max(args.devices) > 1:
        notes.append(
            f"{args.bandwidth:g} GB a second between devices, no overlap with arithmetic. DDP sums the gradients of "
            "trained weights; FSDP (model.shard) also gathers the frozen layers twice a pass"
        )
    notes.append(
        f"while it loads, each process holds {forecast.loading / 1e9:.1f} GB: the language model in fp32"
    )
    return [f"- {note}" for note in notes]
