"""What else differs between scores that stand side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from frozenvl.report.reading import Result
from frozenvl.report.tables import by_setting, run_columns

OWN = ("model", "trained_weights", "blind", "view")
"""Circumstances in which runs may differ: it is them that are compared."""
DRAWN = ("seed", "demonstrations.seed")
MINOR = ("versions", "eval_batch_size")
"""These may flip single answers, no more."""
SHOWN = 60
"""Characters of a value."""


def differences(results: Sequence[Result]) -> tuple[list[str], list[str]]:
    """Lines on what makes scores not comparable, and on minor differences, each said once a benchmark."""
    serious: dict[str, None] = {}
    minor: dict[str, None] = {}
    for benchmark in dict.fromkeys(result.benchmark for result in results):
        of_benchmark = [result for result in results if result.benchmark == benchmark]
        said: set[str] = set()
        for group in by_setting(of_benchmark):
            for key, told in _differing(group, of_benchmark):
                if key not in said:
                    said.add(key)
                    (minor if key.startswith(MINOR) else serious)[f"{benchmark}: {key} differs: {told}"] = (
                        None
                    )
    return list(serious), list(minor)


def flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested mappings as one, with dotted keys."""
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _differing(group: Sequence[Result], among: Sequence[Result]) -> Iterator[tuple[str, str]]:
    names = run_columns(among)
    facts = [(str(names[result.run, result.view]), _facts(result, group)) for result in group]
    for key in dict.fromkeys(key for _, known in facts for key in known):
        by_value: dict[str, dict[str, None]] = {}
        for name, known in facts:
            by_value.setdefault(_short(known.get(key)), {})[name] = None
        if len(by_value) > 1:
            yield key, "; ".join(f"{value} ({', '.join(whose)})" for value, whose in by_value.items())


def _facts(result: Result, group: Sequence[Result]) -> dict[str, Any]:
    seeds = sorted(str(r.seed) for r in group if (r.run, r.view) == (result.run, result.view))
    facts = {
        key: value
        for key, value in flat(result.circumstances)
        if key.split(".")[0] not in OWN and key not in DRAWN
    }
    return facts | {"queries": result.samples, "main score": result.main, "seeds": ", ".join(seeds)}


def _short(value: Any) -> str:
    text = (
        "not recorded"
        if value is None
        else value
        if isinstance(value, str) and value.isalnum()
        else repr(value)
    )
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
