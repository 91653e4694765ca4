"""Evaluation: benchmarks, in the loop as Lightning callbacks or afterwards by `frozenvl evaluate`.

Names are imported when they are first used, so that `frozenvl.evaluation.score_file` needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from frozenvl.data.episodes import Fixed, PerQuestion
    from frozenvl.data.episodes.similar import MostSimilar
    from frozenvl.evaluation.callback import Captions, EpisodeVQA, Evaluate, FewShotVQA, Naming

__all__ = [
    "Captions",
    "EpisodeVQA",
    "Evaluate",
    "FewShotVQA",
    "Fixed",
    "MostSimilar",
    "Naming",
    "PerQuestion",
]

_ELSEWHERE = {
    "Fixed": "frozenvl.data.episodes",
    "PerQuestion": "frozenvl.data.episodes",
    "MostSimilar": "frozenvl.data.episodes.similar",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ELSEWHERE.get(name, "frozenvl.evaluation.callback")), name)
