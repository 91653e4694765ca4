"""What else differs between scores that stand side by side."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from frozenvl.report.labels import WAYS
from frozenvl.report.load import Result
from frozenvl.report.tables import by_setting

OWN = ("model", "trained_weights", "blind", "view")
"""Keys of a provenance in which runs may differ: these are what is compared."""
DRAWN = ("seed", "demonstrations.seed")
MINOR = ("versions", "eval_batch_size")
"""These may flip single answers, no more."""
SHOWN = 60
"""Characters of a value."""
NAMES = {"references": "the references", "ends": "where answers end", "pairs": "the pairs"}
"""Keys of a provenance in words, where the key does not say it."""
PLURAL = ("references", "demonstrations", "pairs")
HASH = re.compile(r"[ ,]*\b[0-9a-f]{16,}\b")
"""What tells contents apart, and nothing to a reader."""


def differences(results: Sequence[Result]) -> tuple[list[str], list[str]]:
    """Lines on what makes scores not comparable, and on minor differences."""
    found: dict[tuple[str, str], list[str]] = {}
    for benchmark in dict.fromkeys(result.benchmark for result in results):
        said: set[str] = set()
        for group in by_setting([result for result in results if result.benchmark == benchmark]):
            for key, told in _differing(group):
                if key not in said:  # once a benchmark: settings differ alike
                    said.add(key)
                    found.setdefault((key, told), []).append(benchmark)
    lines: dict[bool, list[str]] = {True: [], False: list(_mixed(results))}
    for (key, told), benchmarks in found.items():
        lines[key.startswith(MINOR)].append(f"{differ(key)} in {', '.join(benchmarks)}{told}")
    return lines[False], lines[True]


def differ(key: str) -> str:
    """That a key of two provenances differs, in words."""
    return f"{NAMES.get(key, key)} {'differ' if key in PLURAL else 'differs'}"


def facts(provenance: Mapping[str, Any], but: Collection[str]) -> dict[str, Any]:
    """A provenance with dotted keys, less some keys and all below them."""
    known = dict(provenance)
    if "decoding" in known:  # "greedy", or options
        known["decoding"] = str(known["decoding"])
    return {key: value for key, value in flat(known) if key.split(".")[0] not in but}


def plain(key: str, value: Any) -> str:
    """A value of a provenance in one short line, without hashes."""
    if value is None:
        return "not recorded"
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split()) if text.isprintable() else repr(value)
    text = HASH.sub("", WAYS.get(text, text) if key == "demonstrations" else text) or "recorded"
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _mixed(results: Sequence[Result]) -> Iterator[str]:
    """Runs whose scores are not all of the same weights, though they stand in one table."""
    found: dict[str, list[str]] = {}
    for run, benchmark in dict.fromkeys((result.run, result.benchmark) for result in results):
        own = [result for result in results if (result.run, result.benchmark) == (run, benchmark)]
        if len({result.provenance.get("trained_weights") for result in own} - {None}) > 1:
            steps = sorted({result.step for result in own if result.step is not None})
            told = f" (of steps {', '.join(f'{step:,}' for step in steps)})" if len(steps) > 1 else ""
            found.setdefault(f"the weights differ within {run}{told}", []).append(benchmark)
    yield from (f"{line} in {', '.join(benchmarks)}" for line, benchmarks in found.items())


def flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested mappings as one, with dotted keys."""
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _differing(group: Sequence[Result]) -> Iterator[tuple[str, str]]:
    """Each key whose value is not the same in all results of a setting, with its values and their runs."""
    known = [_facts(result) for result in group]
    for key in dict.fromkeys(key for own in known for key in own):
        if key == "references" and len({result.samples for result in group}) > 1:
            continue  # those of other queries
        having: dict[str, list[Result]] = {}
        for result, own in zip(group, known, strict=True):
            having.setdefault(repr(own.get(key)), []).append(result)
        if len(having) > 1:
            whose = [_whose(results, group) for results in having.values()]
            told = [plain(key, _facts(results[0]).get(key)) for results in having.values()]
            if len(set(told)) < len(told):
                yield key, ", between " + " and ".join(whose)
            else:
                pairs = zip(told, whose, strict=True)
                yield key, ": " + "; ".join(f"{value} in {runs}" for value, runs in pairs)


def _whose(having: Sequence[Result], group: Sequence[Result]) -> str:
    """Runs by name, with their views where these are not alike."""
    told: dict[str, None] = {}
    for run in dict.fromkeys(result.run for result in having):
        views = {result.view for result in having if result.run == run}
        alike = views == {result.view for result in group if result.run == run}
        told[run if alike else f"{run} ({', '.join(sorted(views))})"] = None
    return ", ".join(told)


def _facts(result: Result) -> dict[str, Any]:
    known = {key: value for key, value in facts(result.provenance, OWN).items() if key not in DRAWN}
    return known | {"number of queries": result.samples, "main score": result.main}
