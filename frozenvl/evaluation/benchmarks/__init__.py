"""The benchmarks: captions, few-shot questions, naming, and questions about what was named."""

from frozenvl.evaluation.benchmarks.captions import Captions
from frozenvl.evaluation.benchmarks.fast_vqa import EpisodeVQA
from frozenvl.evaluation.benchmarks.naming import Naming
from frozenvl.evaluation.benchmarks.vqa import FewShotVQA

__all__ = ["Captions", "EpisodeVQA", "FewShotVQA", "Naming"]
