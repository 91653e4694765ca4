"""Checks the installation and the machine: packages, precision, memory, disks, decoding, ranks, Java, hub."""

from __future__ import annotations

import argparse

from frozenvl.util.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--report",
        action="store_true",
        help="print Markdown for a bug report, without the names of folders, user and machine",
    )
    parser.add_argument(
        "--only", nargs="+", metavar="CHECK", help="only these checks (each line begins with its check)"
    )


def run(args: argparse.Namespace) -> int:
    """Prints a line for each finding. Returns 1 if one is an error."""
    from frozenvl.doctor import CHECKS, findings
    from frozenvl.doctor.finding import line_of, summary
    from frozenvl.doctor.report import without_names

    if unknown := [name for name in args.only or () if name not in CHECKS]:
        raise UserError(f"no check {unknown[0]!r}; there are {', '.join(CHECKS)}")
    checks = {name: check for name, check in CHECKS.items() if not args.only or name in args.only}
    found = []
    if args.report:
        print("```text")
    for name, finding in findings(checks):
        found.append(finding)
        line = line_of(name, finding)
        print(without_names(line) if args.report else line, flush=True)
    print(summary(found))
    if args.report:
        print("```")
    return int(any(finding.level == "error" for finding in found))
