"""Differences between the provenances of scores in one table, which make them not comparable."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from frozenvl.report.labels import WAYS
from frozenvl.report.load import Result
from frozenvl.report.tables import by_setting

OWN = ("model", "end_tokens", "trained_weights", "blind", "view", "seed")
"""Keys of a provenance in which results may differ: tables compare models and views, and have means over seeds."""
MINOR = ("versions", "eval_batch_size")
"""Keys of a provenance whose differences change single answers at most."""
SHOWN = 60
"""Maximum length of a value in a line, in characters."""
NAMES = {"references": "the references", "ends": "where answers end", "pairs": "the pairs"}
"""Keys of a provenance in plain words, if the key itself is not clear."""
PLURAL = ("references", "demonstrations", "pairs", "labels", "templates")
"""Keys that take a plural verb."""
HASH = re.compile(r"[ ,]*\b[0-9a-f]{16,}\b")
"""Pattern of a content hash, which means nothing to a reader."""


def differences(results: Sequence[Result]) -> tuple[list[str], list[str]]:
    """Returns lines on the differences that make scores not comparable, and lines on minor differences."""
    benchmarks_of = defaultdict(list)
    for benchmark in dict.fromkeys(result.benchmark for result in results):
        own = [result for result in results if result.benchmark == benchmark]
        found = dict.fromkeys(_mixed(own), "")
        for group in by_setting(own):
            for key, values in _differing(group):
                found.setdefault(differ(key), values)  # settings of a benchmark mostly differ in the same way
        for beginning, values in found.items():
            benchmarks_of[beginning, values].append(benchmark)
    lines: dict[bool, list[str]] = {True: [], False: []}
    for (beginning, values), benchmarks in benchmarks_of.items():
        lines[beginning.startswith(MINOR)].append(f"{beginning} in {', '.join(benchmarks)}{values}")
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


def flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the dotted keys and the values of nested mappings."""
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _mixed(results: Sequence[Result]) -> Iterator[str]:
    """Yields the beginning of a line for each run whose scores in one table come from different weights."""
    for run in dict.fromkeys(result.run for result in results):
        group = [result for result in results if result.run == run]
        if len({result.provenance.get("trained_weights") for result in group} - {None}) > 1:
            steps = sorted({result.step for result in group})
            which = f" (of steps {', '.join(f'{step:,}' for step in steps)})" if len(steps) > 1 else ""
            yield f"the weights differ within {run}{which}"


def _differing(group: Sequence[Result]) -> Iterator[tuple[str, str]]:
    """Yields each key whose value differs between results of a setting, and a text of its values and their runs."""
    all_facts = [
        facts(result.provenance, OWN) | {"number of queries": result.samples, "main score": result.main}
        for result in group
    ]
    for key in dict.fromkeys(key for known in all_facts for key in known):
        by_text = defaultdict(list)
        for result, known in zip(group, all_facts, strict=True):
            by_text[repr(known.get(key))].append((result, plain(key, known.get(key))))
        if len(by_text) == 1 or (key == "references" and len({result.samples for result in group}) > 1):
            continue  # references differ because the queries do, which has a line of its own
        runs_of = [_runs_of([result for result, _ in pairs], group) for pairs in by_text.values()]
        values = [pairs[0][1] for pairs in by_text.values()]
        if len(set(values)) < len(values):
            yield key, ", between " + " and ".join(runs_of)
        else:
            yield key, ": " + "; ".join(f"{v} in {runs}" for v, runs in zip(values, runs_of, strict=True))


def _runs_of(results: Sequence[Result], group: Sequence[Result]) -> str:
    """Returns the names of the results' runs; with views, if a run has other views in the group too."""
    names: dict[str, None] = {}
    for run in dict.fromkeys(result.run for result in results):
        views = {result.view for result in results if result.run == run}
        all_views = views == {result.view for result in group if result.run == run}
        names[run if all_views else f"{run} ({', '.join(sorted(views))})"] = None
    return ", ".join(names)
