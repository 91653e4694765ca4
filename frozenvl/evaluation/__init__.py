"""Benchmarks: Lightning callbacks for evaluation during training, and the suites of `frozenvl evaluate`.

Names are imported on first use, so that `frozenvl.evaluation.score_file` does not need torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from frozenvl.data.episodes import Fixed, PerQuestion
    from frozenvl.data.episodes.similar import MostSimilar
    from frozenvl.evaluation.callback import (
        Captions,
        Completeness,
        Deletion,
        DialogueGeneration,
        DialogueRanking,
        Drawing,
        EpisodeVQA,
        Evaluate,
        FewShotVQA,
        Matching,
        Naming,
        ObjectCaptions,
        PointingGame,
        Randomisation,
        Reconstruction,
        Retrieval,
        Tagging,
        ZeroShot,
    )

__all__ = [
    "Captions",
    "Completeness",
    "Deletion",
    "DialogueGeneration",
    "DialogueRanking",
    "Drawing",
    "EpisodeVQA",
    "Evaluate",
    "FewShotVQA",
    "Fixed",
    "Matching",
    "MostSimilar",
    "Naming",
    "ObjectCaptions",
    "PerQuestion",
    "PointingGame",
    "Randomisation",
    "Reconstruction",
    "Retrieval",
    "Tagging",
    "ZeroShot",
]

_MODULES = {
    "Fixed": "frozenvl.data.episodes",
    "PerQuestion": "frozenvl.data.episodes",
    "MostSimilar": "frozenvl.data.episodes.similar",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES.get(name, "frozenvl.evaluation.callback")), name)
