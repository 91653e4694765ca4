"""Labels of settings: the keys that vary name the rows, the keys that all rows share stand in the caption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

ORDER = ("ways", "induction", "demonstrations", "shots", "inner_shots", "repeats", "seeds")
"""Order of the keys in a label."""
IMPLIED = ("induction_text", "episodes")
"""Keys that follow from other keys: a label has them only if two settings differ in nothing else."""
WAYS = {"rices": "most similar"}
"""Values of `demonstrations` in plain words."""

Setting = Mapping[str, Any]
"""Keys and values of a benchmark's setting: shots, ways, induction, ..."""


def without_implied(settings: Sequence[Setting]) -> list[dict[str, Any]]:
    """Returns the settings without the keys of `IMPLIED`, unless two of them would become equal."""
    plain = [dict(setting) for setting in settings]
    for key in IMPLIED:
        shorter = [{k: v for k, v in setting.items() if k != key} for setting in plain]
        if len({repr(sorted(setting.items())) for setting in shorter}) == len(plain):
            plain = shorter
    return plain


def shared(settings: Sequence[Setting]) -> dict[str, Any]:
    """Returns the keys that have one value in all settings that have them; never the number of shots."""
    common = {}
    for key in ordered({key for setting in settings for key in setting}):
        values = [setting[key] for setting in settings if key in setting]
        if key not in ("shots", "inner_shots") and all(value == values[0] for value in values):
            common[key] = values[0]
    return common


def ordered(keys: set[str]) -> list[str]:
    """Returns keys in the order of labels: those of `ORDER` first, then the others by name."""
    return [key for key in ORDER if key in keys] + sorted(keys - set(ORDER))


def place(setting: Setting) -> tuple[Any, ...]:
    """Returns the sort key of a setting: missing values first, then numbers by size, then texts."""

    def rank(value: Any) -> tuple[bool, bool, float, str]:
        is_number = isinstance(value, int | float)
        return value is not None, not is_number, value if is_number else 0.0, "" if is_number else str(value)

    return tuple(rank(setting.get(key)) for key in (*ORDER, *sorted(setting.keys() - set(ORDER))))


def words(setting: Setting, but: Setting | None = None) -> str:
    """Returns the label of a setting without the keys of `but`, such as "2-way, no induction, 3 inner-shots"."""
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
