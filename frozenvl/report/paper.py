"""What the paper reports: Tsimpoukelli et al., Multimodal Few-Shot Learning with Frozen Language Models (2021).

Only numbers that were checked against a second source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Published:
    """A number of the paper, of a benchmark's main score, in percent."""

    benchmark: str
    protocol: str
    system: str
    setting: Mapping[str, int | bool]
    """What it depends on; what the paper does not tell apart is left out."""
    value: float
    size: str = "7B"
    """Of the language model."""


def _shots(benchmark: str, system: str, values: dict[int, float], size: str = "7B") -> list[Published]:
    return [
        Published(benchmark, "vqa", system, {"shots": shots}, value, size) for shots, value in values.items()
    ]


def _naming(benchmark: str, ways: int, values: dict[tuple[bool, int, int], float]) -> list[Published]:
    return [
        Published(
            benchmark,
            "naming",
            "Frozen",
            {"ways": ways, "induction": induction, "inner_shots": inner_shots, "repeats": repeats},
            value,
        )
        for (induction, inner_shots, repeats), value in values.items()
    ]


def _fast_vqa(benchmark: str, values: dict[int, float]) -> list[Published]:
    return [
        Published(benchmark, "fast_vqa", "Frozen", {"inner_shots": shots, "repeats": 0}, value)
        for shots, value in values.items()
    ]


PUBLISHED = (
    *_shots("vqa_v2", "Frozen", {0: 29.5, 1: 35.7, 4: 38.2}),
    *_shots("vqa_v2", "scratch", {0: 0.0}),
    *_shots("vqa_v2", "finetuned", {0: 24.0}),
    *_shots("vqa_v2", "train-blind", {0: 26.2, 4: 33.3}),
    *_shots("vqa_v2", "Frozen VQA", {0: 48.4}),
    *_shots("ok_vqa", "Frozen", {0: 5.9, 1: 9.7, 4: 12.6}),
    *_shots("ok_vqa", "Frozen", {0: 4.0, 4: 6.6}, "400M"),
    *_shots("ok_vqa", "finetuned", {0: 4.2}),
    *_shots("ok_vqa", "train-blind", {0: 3.3}),
    *_shots("ok_vqa", "Frozen VQA", {0: 19.6}),
    *_naming(
        "open_ended", 2, {(False, 1, 0): 29.0, (True, 1, 0): 53.4, (True, 3, 0): 57.9, (True, 5, 0): 58.9}
    ),
    *_naming(
        "open_ended", 5, {(False, 1, 0): 18.0, (True, 1, 0): 20.2, (True, 3, 0): 22.3, (True, 5, 0): 21.3}
    ),
    *_naming("real_name", 2, {(True, 3, 0): 66.0}),
    *_naming("real_name", 5, {(True, 3, 0): 34.7}),
    *_fast_vqa("fast_vqa", {0: 1.6, 5: 7.9}),
    *_fast_vqa("real_fast_vqa", {0: 3.7, 5: 10.5}),
)

VARIANTS = ("_repeats",)
"""Endings of a benchmark's name that ask the same episodes in other settings."""
WHERE_UNSAID = {"repeats": 0, "induction": False}
"""What a setting without the key is."""


def published(benchmark: str, protocol: str, setting: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    """The paper's numbers for a benchmark in a setting: (system, size of its language model) → percent."""
    for ending in VARIANTS:
        benchmark = benchmark.removesuffix(ending)
    known = {**WHERE_UNSAID, **setting}
    return {
        (row.system, row.size): row.value
        for row in PUBLISHED
        if (row.benchmark, row.protocol) == (benchmark, protocol)
        and all(known.get(key) == value for key, value in row.setting.items())
    }
