"""Differences between the provenances of scores in one table, which make them not comparable."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from frozenvl.report.labels import WAYS
from frozenvl.report.load import Result
from frozenvl.report.tables import by_setting

OWN = ("model", "trained_weights", "blind", "view")
"""Keys of a provenance in which runs may differ, because the table compares models and views."""
DRAWN = ("seed", "demonstrations.seed")
"""Keys of a provenance in which results may differ, because tables have means over seeds."""
MINOR = ("versions", "eval_batch_size")
"""Keys of a provenance whose differences change single answers at most."""
SHOWN = 60
"""Maximum length of a value in a line, in characters."""
NAMES = {"references": "the references", "ends": "where answers end", "pairs": "the pairs"}
"""Keys of a provenance in plain words, if the key itself is not clear."""
PLURAL = ("references", "demonstrations", "pairs")
"""Keys that take a plural verb."""
HASH = re.compile(r"[ ,]*\b[0-9a-f]{16,}\b")
"""Pattern of a content hash, which means nothing to a reader."""


def differences(results: Sequence[Result]) -> tuple[list[str], list[str]]:
    """Returns lines on the differences that make scores not comparable, and lines on minor differences."""
    benchmarks_of: dict[tuple[str, str], list[str]] = {}
    for benchmark in dict.fromkeys(result.benchmark for result in results):
        reported: set[str] = set()
        for group in by_setting([result for result in results if result.benchmark == benchmark]):
            for key, values in _differing(group):
                if key not in reported:  # settings of a benchmark mostly differ in the same way
                    reported.add(key)
                    benchmarks_of.setdefault((key, values), []).append(benchmark)
    lines: dict[bool, list[str]] = {True: [], False: list(_mixed(results))}
    for (key, values), benchmarks in benchmarks_of.items():
        lines[key.startswith(MINOR)].append(f"{differ(key)} in {', '.join(benchmarks)}{values}")
    return lines[False], lines[True]


def differ(key: str) -> str:
    """Returns the beginning of a line about a key of two provenances: "precision differs"."""
    return f"{NAMES.get(key, key)} {'differ' if key in PLURAL else 'differs'}"


def facts(provenance: Mapping[str, Any], but: Collection[str]) -> dict[str, Any]:
    """Returns a provenance with dotted keys, without the top-level keys `but`."""
    content = dict(provenance)
    if "decoding" in content:  # "greedy", or options
        content["decoding"] = str(content["decoding"])
    return {key: value for key, value in flat(content) if key.split(".")[0] not in but}


def plain(key: str, value: Any) -> str:
    """Returns a value of a provenance as one short line without hashes."""
    if value is None:
        return "not recorded"
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split()) if text.isprintable() else repr(value)
    text = HASH.sub("", WAYS.get(text, text) if key == "demonstrations" else text) or "recorded"
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _mixed(results: Sequence[Result]) -> Iterator[str]:
    """Yields a line for each run whose scores in one table come from different weights."""
    benchmarks_of: dict[str, list[str]] = {}
    for run, benchmark in dict.fromkeys((result.run, result.benchmark) for result in results):
        group = [result for result in results if (result.run, result.benchmark) == (run, benchmark)]
        if len({result.provenance.get("trained_weights") for result in group} - {None}) > 1:
            steps = sorted({result.step for result in group if result.step is not None})
            which = f" (of steps {', '.join(f'{step:,}' for step in steps)})" if len(steps) > 1 else ""
            benchmarks_of.setdefault(f"the weights differ within {run}{which}", []).append(benchmark)
    yield from (f"{line} in {', '.join(benchmarks)}" for line, benchmarks in benchmarks_of.items())


def flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the dotted keys and the values of nested mappings."""
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _differing(group: Sequence[Result]) -> Iterator[tuple[str, str]]:
    """Yields each key whose value differs between results of a setting, and a text of its values and their runs."""
    provenances = [_facts(result) for result in group]
    for key in dict.fromkeys(key for provenance in provenances for key in provenance):
        if key == "references" and len({result.samples for result in group}) > 1:
            continue  # they differ because the queries do, which has a line of its own
        by_value: dict[str, list[Result]] = {}
        for result, provenance in zip(group, provenances, strict=True):
            by_value.setdefault(repr(provenance.get(key)), []).append(result)
        if len(by_value) > 1:
            runs_of = [_runs_of(results, group) for results in by_value.values()]
            values = [plain(key, _facts(results[0]).get(key)) for results in by_value.values()]
            if len(set(values)) < len(values):
                yield key, ", between " + " and ".join(runs_of)
            else:
                pairs = zip(values, runs_of, strict=True)
                yield key, ": " + "; ".join(f"{value} in {runs}" for value, runs in pairs)


def _runs_of(results: Sequence[Result], group: Sequence[Result]) -> str:
    """Returns the names of the results' runs; with views, if a run has other views in the group too."""
    names: dict[str, None] = {}
    for run in dict.fromkeys(result.run for result in results):
        views = {result.view for result in results if result.run == run}
        all_views = views == {result.view for result in group if result.run == run}
        names[run if all_views else f"{run} ({', '.join(sorted(views))})"] = None
    return ", ".join(names)


def _facts(result: Result) -> dict[str, Any]:
    content = {key: value for key, value in facts(result.provenance, OWN).items() if key not in DRAWN}
    return content | {"number of queries": result.samples, "main score": result.main}
