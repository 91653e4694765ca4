"""Compares two runs, or two predictions.jsonl, on the queries that both answered."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from frozenvl.prompt import Image
    from frozenvl.report.compare import Comparison

SHOWN = 12
"""Queries drawn."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", type=Path, metavar="A", help="a run's folder, or a predictions.jsonl")
    parser.add_argument("b", type=Path, metavar="B", help="another")
    parser.add_argument("--all", action="store_true", help="every score, also by answer and question type")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="these benchmarks, or evaluations of them"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("comparison"), help="folder of the galleries (comparison)"
    )


def run(args: argparse.Namespace) -> int:
    """Prints, for each evaluation that both have, B minus A with interval and p; draws where they differ most.

    An evaluation that cannot be compared is left out, and it is said why.
    """
    from rich.console import Console
    from rich.table import Column, Table

    from frozenvl.metrics.metric import metric_of
    from frozenvl.report.compare import compare
    from frozenvl.util.errors import UserError

    pairs, images = pairs_of(args), images_for(args)
    table = Table(
        Column("score", overflow="fold"),
        "A",
        "B",
        "B - A",
        "95 % interval",
        "p",
        title=f"A: {args.a}   B: {args.b}",
    )
    for name, (a, b) in pairs.items():
        try:
            result = compare(a, b)
        except UserError as error:
            if len(pairs) == 1:
                raise
            say(f"{name}: left out: {error}")
            continue
        for warning in result.warnings:
            say(f"warning: {name}: {warning}" if name else f"warning: {warning}")
        for key, change in result.differences.items():
            metric = metric_of(key, result.metrics)
            if not args.all and not metric.shown:
                continue
            digits = metric.digits
            a_score = result.a[key]
            numbers = (a_score, a_score + change.difference, change.difference)
            table.add_row(
                f"{name} {key}".strip(),
                *(f"{number:.{digits}f}" for number in numbers),
                f"[{change.low:.{digits}f}, {change.high:.{digits}f}]",
                f"{change.p:.3f}",
            )
        draw(images, args.out / f"{name or 'predictions'}.png", result)
    if not table.row_count:
        raise UserError(f"{args.a} and {args.b}: nothing that can be compared")
    Console().print(table)
    return 0


def pairs_of(args: argparse.Namespace) -> dict[str, tuple[Path, Path]]:
    """The predictions of A and B for each evaluation that both have.

    Raises:
        UserError: where there are none.
    """
    from frozenvl.report.compare import evaluations, matched, score_of
    from frozenvl.util.errors import UserError

    first, second = evaluations(args.a), evaluations(args.b)
    if args.a.is_file() or args.b.is_file():
        if len(first) > 1 or len(second) > 1:
            raise UserError("compare two runs or two files, not one of each")
        if args.only:
            raise UserError("--only chooses among the evaluations of runs; here, files are compared")
        return {"": (next(iter(first.values())), next(iter(second.values())))}
    wanted = set(args.only)
    if wanted:
        scores = {name: score_of(path) for name, path in (first | second).items()}
        known = {name: {name, score.benchmark if score else name} for name, score in scores.items()}
        if unknown := [name for name in args.only if not any(name in names for names in known.values())]:
            there = ", ".join(sorted({min(names, key=len) for names in known.values()}))
            raise UserError(f"no benchmark or evaluation {unknown[0]!r}; there are {there}")
        first, second = (
            {name: path for name, path in found.items() if wanted & known[name]} for found in (first, second)
        )
    pairs = matched(first, second)
    compared = [{pair[place] for pair in pairs.values()} for place in (0, 1)]
    for run, found, common in zip((args.a, args.b), (first, second), compared, strict=True):
        if names := sorted(name for name, path in found.items() if path not in common):
            say(f"left out, since only {run} has them: {', '.join(names)}")
    if not pairs:
        raise UserError(f"{args.a} and {args.b}: no evaluation in common")
    return pairs


def say(line: str) -> None:
    print(f"frozenvl: {line}", file=sys.stderr)


def images_for(args: argparse.Namespace) -> Mapping[str, Image]:
    """The images that galleries are drawn of, by query id; none where no run's config.yaml tells of them."""
    from frozenvl.training.trained_run import images_of
    from frozenvl.util.errors import UserError

    runs = [run for run in (args.a, args.b) if (run / "config.yaml").is_file()]
    if not runs:
        say("no gallery, since neither is a run's folder with its config.yaml")
        return {}
    try:
        return images_of(runs[0])
    except UserError as error:  # the scores need no images
        say(f"no gallery: {error}")
        return {}


def draw(images: Mapping[str, Image], file: Path, result: Comparison) -> None:
    """The queries on which A and B differ most, with their images, as far as these are known."""
    from frozenvl.util.errors import UnreadableImage
    from frozenvl.util.files import write_atomically
    from frozenvl.util.gallery import Tile, as_png, draw_gallery

    first, second = result.records
    tiles = []
    for key in result.changed:
        if key not in images:
            continue
        try:
            picture = images[key].read()
        except UnreadableImage:
            continue
        said = [
            f"{label} {score:.2f}: {row[key]['text']}"
            for label, score, row in zip("AB", result.per_query[key], (first, second), strict=True)
        ]
        tiles.append(Tile(picture, said, first[key].get("question", ""), first[key]["references"]))
        if len(tiles) == SHOWN:
            break
    if tiles:
        write_atomically(file, as_png(draw_gallery(tiles)))
        print(f"gallery: {file}")
