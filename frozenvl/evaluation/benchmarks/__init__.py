"""The benchmarks: captioning, few-shot VQA, few-shot naming, Fast-VQA, matching, retrieval, zero-shot and tagging."""

from frozenvl.evaluation.benchmarks.captions import Captions
from frozenvl.evaluation.benchmarks.fast_vqa import EpisodeVQA
from frozenvl.evaluation.benchmarks.matching import Matching
from frozenvl.evaluation.benchmarks.naming import Naming
from frozenvl.evaluation.benchmarks.object_captions import ObjectCaptions
from frozenvl.evaluation.benchmarks.retrieval import Retrieval
from frozenvl.evaluation.benchmarks.tagging import Tagging
from frozenvl.evaluation.benchmarks.vqa import FewShotVQA
from frozenvl.evaluation.benchmarks.zero_shot import ZeroShot

__all__ = [
    "Captions",
    "EpisodeVQA",
    "FewShotVQA",
    "Matching",
    "Naming",
    "ObjectCaptions",
    "Retrieval",
    "Tagging",
    "ZeroShot",
]
