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
    from frozenvl.plan.forecast import Forecast
    from frozenvl.plan.parallelism import Row


NONE = "–"


def gigabytes(size: float) -> str:
    return f"{size / 1e9:.3g}" if size else NONE


CELLS: dict[str, Callable[[Row], str]] = {
    "frozen weights, GB": lambda row: gigabytes(row.frozen),
    "trained, gradients, optimiser": lambda row: gigabytes(row.trained),
    "gathered for the moment": lambda row: gigabytes(row.gathered),
    "activations and the like": lambda row: gigabytes(row.working),
    "process": lambda row: gigabytes(row.process),
    "memory, GB": lambda row: gigabytes(row.memory),
    "10¹² operations a step": lambda row: f"{row.operations / 1e12:.3g}",
    "seconds a step": lambda row: f"{row.seconds:.3g}",
    "of it communication": lambda row: f"{row.share:.1%}" if row.devices > 1 else NONE,
    "pairs a second, all devices": lambda row: f"{row.rate:,.1f}",
    "hours": lambda row: NONE if row.hours is None else f"{row.hours:,.3g}",
}
"""The lines of the table: title → the text for a strategy."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    vars(parser)["keeps_rest"] = True
    parser.add_argument(
        "--config", action="append", required=True, metavar="C", help="as fit's; may be repeated"
    )
    parser.add_argument(
        "--devices", type=count, nargs="+", default=[1], metavar="N", help="numbers of devices (default: 1)"
    )
    parser.add_argument(
        "--peak",
        type=positive,
        metavar="P",
        help="operations a second of matrix products on a device (3.12e14); by default steps are measured on this "
        "machine, with fewer layers",
    )
    parser.add_argument(
        "--share",
        type=share,
        default=0.3,
        help="of that peak, that training reaches (default: 0.3, as measured here)",
    )
    parser.add_argument(
        "--memory", type=positive, metavar="GB", help="of a device: what needs more is marked"
    )
    parser.add_argument(
        "--bandwidth",
        type=positive,
        default=25.0,
        metavar="GB",
        help="a second that a device sends and receives (default: 25, as a network of 200 Gb/s)",
    )
    parser.add_argument(
        "--memory-bandwidth",
        type=positive,
        default=2000.0,
        metavar="GB",
        help="a second that a device with a --peak reads of its own memory (default: 2000)",
    )
    parser.add_argument(
        "--tokens",
        type=count,
        metavar="T",
        help="target tokens of a pair; by default those of the data, or 13",
    )
    parser.add_argument(
        "--pairs", type=count, metavar="P", help="train on so many, whatever the configuration says"
    )
    parser.add_argument("--json", action="store_true", help="print the numbers alone")


def run(args: argparse.Namespace) -> int:
    """Prints the plan; returns the exit status.

    Raises:
        UserError: the configuration describes no fit, or the language model's config.json is missing.
    """
    from frozenvl.plan.fit_spec import Planned
    from frozenvl.plan.forecast import Device, Forecast
    from frozenvl.training.command_line import configuration_parser
    from frozenvl.util.allocator import keep_freed_memory

    keep_freed_memory()
    options = [part for config in args.config for part in ("--config", config)]
    planned = Planned(
        configuration_parser()([*options, *args.rest]), args.tokens, args.pairs, "bf16" if args.peak else None
    )
    device = Device(args.bandwidth * 1e9, args.peak, args.share, args.memory_bandwidth * 1e9)
    forecast = Forecast(planned, device)
    rows = [row for devices in args.devices for row in forecast.rows(devices)]
    if args.json:
        print(json.dumps([as_json(row) for row in rows], indent=1))
        return 0
    print_plan(args, forecast, rows)
    return 0


def as_json(row: Row) -> dict[str, Any]:
    """A row with the numbers that follow from it, in bytes and seconds."""
    derived = ("memory", "seconds", "share", "rate", "hours")
    return vars(row) | {name: getattr(row, name) for name in derived}


def print_plan(args: argparse.Namespace, forecast: Forecast, rows: list[Row]) -> None:
    from frozenvl.util.printing import print_beside

    for line in described(forecast):
        print(line)
    columns = [f"{row.devices:,} {row.strategy}" if row.devices > 1 else "1" for row in rows]
    lines = [(name, [cell(row) for row in rows]) for name, cell in CELLS.items()]
    lines = [(name, cells) for name, cells in lines if {*cells} != {NONE}]
    if args.memory:
        fits = ["yes" if row.memory <= args.memory * 1e9 else "no" for row in rows]
        lines.append((f"fits into {args.memory:g} GB", fits))
    print_beside("a device", columns, lines)
    for line in assumed(args, forecast):
        print(line)


def described(forecast: Forecast) -> list[str]:
    """Lines about the models and a step of the fit."""
    planned, model = forecast.planned, forecast.outline.model
    trained = sum(weight.numel() for weight in forecast.outline.trained)
    language = sum(weight.numel() for weight in model.language.parameters())
    vision = sum(weight.numel() for weight in model.vision.parameters())
    seen = "features are kept" if planned.stage == "features" else "runs in each step"
    return [
        f"{planned.name}: {model.language.name}, {language:,} weights; {model.vision.name}, {vision:,}, {seen}; "
        f"{trained:,} weights are trained; frozen ones in {planned.precision}",
        f"a step: {planned.batch_size} pairs, in each {forecast.positions:.1f} positions, "
        f"{forecast.targets:.1f} of them targets",
    ]


def assumed(args: argparse.Namespace, forecast: Forecast) -> list[str]:
    """Lines about the assumptions behind the numbers."""
    notes = list(forecast.planned.assumed)
    if args.peak:
        notes.append(
            f"{args.peak:.3g} operations a second at best on a device, of which training reaches {args.share:.0%}, "
            f"unless reading the weights at {args.memory_bandwidth:g} GB a second takes longer; images and texts are "
            "read ahead; a driver's own memory comes on top"
        )
    else:
        notes.append(
            f"s a step: measured on this machine with {forecast.measured} of "
            f"{forecast.planned.language.num_hidden_layers} layers, random weights and drawn images; every device is "
            "one such process"
        )
    if max(args.devices) > 1:
        notes.append(
            f"{args.bandwidth:g} GB a second between devices, none of it hidden behind arithmetic. DDP sums the "
            "gradients of what is trained; FSDP (model.shard) also gathers the frozen layers twice a pass"
        )
    notes.append(
        f"while it loads, each process holds {forecast.loading / 1e9:.1f} GB: the language model in fp32"
    )
    return [f"- {note}" for note in notes]
