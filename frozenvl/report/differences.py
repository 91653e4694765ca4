"""What else differs between scores that stand side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from frozenvl.report.reading import Result
from frozenvl.report.tables import by_setting

OWN = ("model", "trained_weights", "blind", "view")
"""Circumstances in which runs may differ: it is them that are compared."""
DRAWN = ("seed", "demonstrations.seed")
MINOR = ("versions", "eval_batch_size")
"""These may flip single answers, no more."""
SHOWN = 60
"""Characters of a value."""


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
    lines: dict[bool, list[str]] = {True: [], False: []}
    for (key, told), benchmarks in found.items():
        lines[key.startswith(MINOR)].append(f"{key} differs in {', '.join(benchmarks)}: {told}")
    return lines[False], lines[True]


def flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested mappings as one, with dotted keys."""
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _differing(group: Sequence[Result]) -> Iterator[tuple[str, str]]:
    """Each circumstance that is not the same in all of a setting's results, with its values and whose they are."""
    facts = [(result, _facts(result)) for result in group]
    for key in dict.fromkeys(key for _, known in facts for key in known):
        values: dict[str, list[Result]] = {}
        for result, known in facts:
            values.setdefault(_short(known.get(key)), []).append(result)
        if len(values) > 1:
            yield key, "; ".join(f"{value} in {_whose(having, group)}" for value, having in values.items())


def _whose(having: Sequence[Result], group: Sequence[Result]) -> str:
    """Runs by name, with their views where these are not alike."""
    told: dict[str, None] = {}
    for run in dict.fromkeys(result.run for result in having):
        views = {result.view for result in having if result.run == run}
        alike = views == {result.view for result in group if result.run == run}
        told[run if alike else f"{run} ({', '.join(sorted(views))})"] = None
    return ", ".join(told)


def _facts(result: Result) -> dict[str, Any]:
    known = dict(result.circumstances)
    if "decoding" in known:  # "greedy", or options
        known["decoding"] = str(known["decoding"])
    facts = {key: value for key, value in flat(known) if key.split(".")[0] not in OWN and key not in DRAWN}
    return facts | {"number of queries": result.samples, "main score": result.main}


def _short(value: Any) -> str:
    text = "not recorded" if value is None else value if isinstance(value, str) else repr(value)
    text = " ".join(text.split()) if text.isprintable() else repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
