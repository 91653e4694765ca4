"""Compares two runs, or two predictions.jsonl, on the queries that both answered."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

SHOWN = 12
"""Queries drawn."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", type=Path, metavar="A", help="a run's folder, or a predictions.jsonl")
    parser.add_argument("b", type=Path, metavar="B", help="another")
    parser.add_argument("--all", action="store_true", help="every score, also by answer and question type")
    parser.add_argument(
        "--out", type=Path, default=Path("comparison"), help="folder of the galleries (comparison)"
    )


def run(args: argparse.Namespace) -> int:
    """Prints, for each evaluation that both have, B minus A with interval and p; draws where they differ most."""
    from rich.console import Console
    from rich.table import Table

    from frozenvl.commands.report import SHOWN_SCORES
    from frozenvl.errors import UserError
    from frozenvl.evaluation.compare import compare, evaluations

    first, second = evaluations(args.a), evaluations(args.b)
    if args.a.is_file() or args.b.is_file():
        if len(first) > 1 or len(second) > 1:
            raise UserError("compare two runs or two files, not one of each")
        names = [("", next(iter(first)), next(iter(second)))]
    else:
        names = [(name, name, name) for name in first if name in second]
    if not names:
        raise UserError(f"{args.a} and {args.b}: no evaluation in common")
    table = Table("score", "A", "B", "B - A", "95 % interval", "p", title=f"A: {args.a}   B: {args.b}")
    for name, key_a, key_b in names:
        result = compare(first[key_a], second[key_b])
        for warning in result.warnings:
            print(f"frozenvl: warning: {name}: {warning}", file=sys.stderr)
        for key, change in result.differences.items():
            if not args.all and key not in SHOWN_SCORES:
                continue
            digits = 1 if key not in ("CIDEr", "ROUGE_L") and not key.startswith("Bleu") else 3
            a = result.a[key]
            numbers = (a, a + change.difference, change.difference)
            table.add_row(
                f"{name} {key}".strip(),
                *(f"{number:.{digits}f}" for number in numbers),
                f"[{change.low:.{digits}f}, {change.high:.{digits}f}]",
                f"{change.p:.3f}",
            )
        draw(args, name or "predictions", result)
    Console().print(table)
    return 0


def draw(args: argparse.Namespace, name: str, result) -> None:
    """The queries on which A and B differ most, with their images where a run's config.yaml tells of them."""
    from frozenvl.gallery import Tile, draw_gallery
    from frozenvl.trained import images_of

    images = next((images_of(run) for run in (args.a, args.b) if (run / "config.yaml").is_file()), None)
    if images is None:
        print(
            f"frozenvl: {name}: no gallery, since neither is a run's folder with its config.yaml",
            file=sys.stderr,
        )
        return
    first, second = result.records
    tiles = [
        Tile(
            images[key].read(),
            [
                f"{label} {score:.2f}: {row[key]['text']}"
                for label, score, row in zip("AB", result.per_query[key], (first, second), strict=True)
            ],
            first[key].get("question", ""),
            first[key]["references"],
        )
        for key in result.changed[:SHOWN]
        if key in images
    ]
    args.out.mkdir(parents=True, exist_ok=True)
    draw_gallery(tiles).save(args.out / f"{name}.png")
    print(f"gallery: {args.out / f'{name}.png'}")
