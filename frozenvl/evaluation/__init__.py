"""Benchmarks: Lightning callbacks in the loop, `frozenvl evaluate` afterwards; they generate, score and draw."""

from frozenvl.data.episodes.demonstrations import Fixed, MostSimilar, PerQuestion
from frozenvl.evaluation.captions import Captions
from frozenvl.evaluation.episodes import EpisodeVQA, Naming
from frozenvl.evaluation.fewshot import FewShotVQA

__all__ = ["Captions", "EpisodeVQA", "FewShotVQA", "Fixed", "MostSimilar", "Naming", "PerQuestion"]
