"""Results of the paper: Tsimpoukelli et al., Multimodal Few-Shot Learning with Frozen Language Models (2021).

It has only those numbers that were checked against a second source.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEYS: Mapping[str, Mapping[str, int | bool | None]] = {
    "vqa": {"shots": None},
    "naming": {"ways": None, "induction": False, "inner_shots": None, "repeats": 0},
    "fast_vqa": {"inner_shots": None, "repeats": 0},
}
"""Protocol → keys of a setting that the paper's numbers depend on, with their values where a setting lacks them."""
PUBLISHED: Mapping[tuple[str, str, str, str], Mapping[tuple[int | bool, ...], float]] = {
    ("vqa_v2", "vqa", "Frozen", "7B"): {(0,): 29.5, (1,): 35.7, (4,): 38.2},
    ("vqa_v2", "vqa", "scratch", "7B"): {(0,): 0.0},
    ("vqa_v2", "vqa", "finetuned", "7B"): {(0,): 24.0},
    ("vqa_v2", "vqa", "train-blind", "7B"): {(0,): 26.2, (4,): 33.3},
    ("vqa_v2", "vqa", "Frozen VQA", "7B"): {(0,): 48.4},
    ("ok_vqa", "vqa", "Frozen", "7B"): {(0,): 5.9, (1,): 9.7, (4,): 12.6},
    ("ok_vqa", "vqa", "Frozen", "400M"): {(0,): 4.0, (4,): 6.6},
    ("ok_vqa", "vqa", "finetuned", "7B"): {(0,): 4.2},
    ("ok_vqa", "vqa", "train-blind", "7B"): {(0,): 3.3},
    ("ok_vqa", "vqa", "Frozen VQA", "7B"): {(0,): 19.6},
    ("open_ended", "naming", "Frozen", "7B"): {
        **{(2, False, 1, 0): 29.0, (2, True, 1, 0): 53.4, (2, True, 3, 0): 57.9, (2, True, 5, 0): 58.9},
        **{(5, False, 1, 0): 18.0, (5, True, 1, 0): 20.2, (5, True, 3, 0): 22.3, (5, True, 5, 0): 21.3},
    },
    ("real_name", "naming", "Frozen", "7B"): {(2, True, 3, 0): 66.0, (5, True, 3, 0): 34.7},
    ("fast_vqa", "fast_vqa", "Frozen", "7B"): {(0, 0): 1.6, (5, 0): 7.9},
    ("real_fast_vqa", "fast_vqa", "Frozen", "7B"): {(0, 0): 3.7, (5, 0): 10.5},
}
"""(benchmark, protocol, system, size of its language model) → values of `KEYS` → main score in percent."""


def published(benchmark: str, protocol: str, setting: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    """Returns the paper's numbers for a benchmark at a setting: (system, size of its language model) → percent."""
    benchmark = benchmark.removesuffix("_repeats")  # the same episodes in other settings
    key_values: Any = tuple(setting.get(key, default) for key, default in KEYS.get(protocol, {}).items())
    return {
        (system, size): values[key_values]
        for (name, kind, system, size), values in PUBLISHED.items()
        if (name, kind) == (benchmark, protocol) and key_values in values
    }
