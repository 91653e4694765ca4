"""Settings in words: what varies tells rows apart, what does not is said once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

ORDER = ("ways", "induction", "demonstrations", "shots", "inner_shots", "repeats", "seeds")
IMPLIED = ("induction_text", "episodes")
"""Mostly told by the others; said where they alone tell two settings apart."""
WAYS = {"rices": "most similar"}
"""Names of how demonstrations are chosen that do not say it."""

Setting = Mapping[str, Any]


def without_implied(settings: Sequence[Setting]) -> list[dict[str, Any]]:
    """The settings without what the rest of them tells."""
    plain = [dict(setting) for setting in settings]
    for key in IMPLIED:
        shorter = [{k: v for k, v in setting.items() if k != key} for setting in plain]
        if len({repr(sorted(setting.items())) for setting in shorter}) == len(plain):
            plain = shorter
    return plain


def shared(settings: Sequence[Setting]) -> dict[str, Any]:
    """What all settings that have a key agree in. The number of shots is always told of each."""
    found = {}
    for key in ordered({key for setting in settings for key in setting}):
        values = [setting[key] for setting in settings if key in setting]
        if key not in ("shots", "inner_shots") and all(value == values[0] for value in values):
            found[key] = values[0]
    return found


def ordered(keys: set[str]) -> list[str]:
    """Keys as they are said."""
    return [key for key in ORDER if key in keys] + sorted(keys - set(ORDER))


def place(setting: Setting) -> tuple[Any, ...]:
    """Sorts settings: numbers by size, what is missing first."""
    keys = (*ORDER, *sorted(setting.keys() - set(ORDER)))
    return tuple(_rank(setting.get(key)) for key in keys)


def _rank(value: Any) -> tuple[int, float, str]:
    if value is None:
        return (0, 0.0, "")
    if isinstance(value, (int, float)):
        return (1, float(value), "")
    return (2, 0.0, str(value))


def words(setting: Setting, but: Setting | None = None) -> str:
    """A setting for people, less what is said elsewhere."""
    keys = ordered(setting.keys() - (but or {}).keys())
    return ", ".join(_word(key, setting[key]) for key in keys)


def _word(key: str, value: Any) -> str:
    if key == "ways":
        return f"{value}-way"
    if key == "demonstrations":
        return f"demonstrations {WAYS.get(value, str(value).replace('_', ' '))}"
    if key == "evaluation":
        return str(value)
    if key == "seeds":
        return f"{'seeds' if ',' in str(value) else 'seed'} {value}"
    name = key.replace("_", " ").replace("inner shots", "inner-shots")
    if isinstance(value, bool):
        return f"{name if value else 'no ' + name}"
    if isinstance(value, int) and name.endswith("s"):
        return f"{value} {name[:-1] if value == 1 else name}"
    return f"{name} {' '.join(str(value).split())!r}" if isinstance(value, str) else f"{name} {value}"
