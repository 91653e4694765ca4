"""The benchmarks: captioning, few-shot VQA, few-shot naming, Fast-VQA and matching."""

from frozenvl.evaluation.benchmarks.captions import Captions
from frozenvl.evaluation.benchmarks.fast_vqa import EpisodeVQA
from frozenvl.evaluation.benchmarks.matching import Matching
from frozenvl.evaluation.benchmarks.naming import Naming
from frozenvl.evaluation.benchmarks.vqa import FewShotVQA

__all__ = ["Captions", "EpisodeVQA", "FewShotVQA", "Matching", "Naming"]
