"""Compares two runs, or two predictions.jsonl files, on the queries that both answered."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from frozenvl.metrics.metric import metric_of
from frozenvl.prompt import Image
from frozenvl.report.compare import Comparison, compare, evaluations, matched, score_of
from frozenvl.util.errors import UnreadableImage, UserError
from frozenvl.util.files import write_atomically
from frozenvl.util.gallery import Tile, as_png, draw_gallery
from frozenvl.util.printing import print_beside

MAX_TILES = 12
"""Maximum number of queries in a gallery."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", type=Path, metavar="A", help="folder of a run, or a predictions.jsonl")
    parser.add_argument("b", type=Path, metavar="B", help="the other run or file")
    parser.add_argument(
        "--all", action="store_true", help="print every score, also by answer and question type"
    )
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="only these benchmarks or evaluations"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("comparison"), help="folder of the galleries (default: comparison)"
    )


def run(args: argparse.Namespace) -> int:
    """Prints B - A with interval and p-value for each common evaluation, and draws the queries that differ most.

    An evaluation that cannot be compared is left out with a message.
    """
    pairs, images, table = pairs_of(args), images_for(args), []
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
        table += [(f"{name} {score}".strip(), cells) for score, *cells in rows_of(result, args.all)]
        draw(images, args.out / f"{name or 'predictions'}.png", result)
    if not table:
        raise UserError(f"{args.a} and {args.b}: nothing that can be compared")
    print(f"A: {args.a}   B: {args.b}")
    print_beside("score", ("A", "B", "B - A", "95 % interval", "p"), table)
    return 0


def rows_of(result: Comparison, every: bool) -> Iterator[list[str]]:
    """Yields the table rows of a comparison: score, A, B, difference, interval, p-value."""
    for key, change in result.differences.items():
        metric = metric_of(key, result.metrics)
        if every or metric.shown:
            a = result.a[key]
            numbers = (a, a + change.difference, change.difference, change.low, change.high)
            *first, low, high = (f"{number:.{metric.digits}f}" for number in numbers)
            yield [key, *first, f"[{low}, {high}]", f"{change.p:.3f}"]


def pairs_of(args: argparse.Namespace) -> dict[str, tuple[Path, Path]]:
    """Returns the prediction files of A and B for each common evaluation, by its name ("" for two files).

    Raises:
        UserError: if there is no common evaluation, or the options do not fit.
    """
    first, second = evaluations(args.a), evaluations(args.b)
    if args.a.is_file() or args.b.is_file():
        if len(first) > 1 or len(second) > 1:
            raise UserError("compare two runs or two files, not one of each")
        if args.only:
            raise UserError("--only chooses among the evaluations of runs; here, files are compared")
        (a,), (b,) = first.values(), second.values()
        return {"": (a, b)}
    if args.only:
        scores = {name: score_of(path) for name, path in (first | second).items()}
        benchmarks = {name: score.benchmark if score else name for name, score in scores.items()}
        known = {*benchmarks, *benchmarks.values()}
        if unknown := [name for name in args.only if name not in known]:
            available = ", ".join(sorted({min(pair, key=len) for pair in benchmarks.items()}))
            raise UserError(f"no benchmark or evaluation {unknown[0]!r}; there are {available}")
        is_wanted = lambda name: name in args.only or benchmarks[name] in args.only
        first = {name: path for name, path in first.items() if is_wanted(name)}
        second = {name: path for name, path in second.items() if is_wanted(name)}
    pairs = matched(first, second)
    compared = {path for pair in pairs.values() for path in pair}
    for run, paths in ((args.a, first), (args.b, second)):
        if names := sorted(name for name, path in paths.items() if path not in compared):
            say(f"left out, since only {run} has them: {', '.join(names)}")
    if not pairs:
        raise UserError(f"{args.a} and {args.b}: no evaluation in common")
    return pairs


def say(line: str) -> None:
    """Prints a message to stderr."""
    print(f"frozenvl: {line}", file=sys.stderr)


def images_for(args: argparse.Namespace) -> Mapping[str, Image]:
    """Returns the images for galleries by query id; none if neither run has a usable config.yaml."""
    from frozenvl.training.trained_run import images_of

    runs = [run for run in (args.a, args.b) if (run / "config.yaml").is_file()]
    try:
        if runs:
            return images_of(runs[0])
        say("no gallery: neither A nor B is a run's folder with a config.yaml")
    except UserError as error:  # the scores need no images
        say(f"no gallery: {error}")
    return {}


def draw(images: Mapping[str, Image], file: Path, result: Comparison) -> None:
    """Draws a gallery of the queries that differ most, if their images are known."""
    tiles: list[Tile] = []
    for key in (key for key in result.changed if key in images):
        try:
            picture = images[key].read()
        except UnreadableImage:
            continue
        scored = zip("AB", result.per_query[key], result.records, strict=True)
        texts = [f"{label} {score:.2f}: {rows[key]['text']}" for label, score, rows in scored]
        row = result.records[0][key]
        tiles.append(Tile(picture, texts, row.get("question", ""), row["references"]))
        if len(tiles) == MAX_TILES:
            break
    if tiles:
        write_atomically(file, as_png(draw_gallery(tiles)))
        print(f"gallery: {file}")
