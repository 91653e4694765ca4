"""Benchmarks: Lightning callbacks in the loop, `frozenvl evaluate` afterwards; they generate, score and draw."""

from frozenvl.data.episodes import Fixed, PerQuestion
from frozenvl.data.episodes.similar import MostSimilar
from frozenvl.evaluation.benchmarks.captions import Captions
from frozenvl.evaluation.benchmarks.naming import EpisodeVQA, Naming
from frozenvl.evaluation.benchmarks.vqa import FewShotVQA

__all__ = ["Captions", "EpisodeVQA", "FewShotVQA", "Fixed", "MostSimilar", "Naming", "PerQuestion"]
