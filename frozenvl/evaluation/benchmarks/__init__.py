"""The benchmarks: captions, few-shot VQA and naming, Fast-VQA, matching, retrieval, zero-shot, tagging, dialogue, …"""

from frozenvl.evaluation.benchmarks.captions import Captions
from frozenvl.evaluation.benchmarks.completeness import Completeness
from frozenvl.evaluation.benchmarks.deletion import Deletion
from frozenvl.evaluation.benchmarks.dialogue_generation import DialogueGeneration
from frozenvl.evaluation.benchmarks.dialogue_ranking import DialogueRanking
from frozenvl.evaluation.benchmarks.drawing import Drawing
from frozenvl.evaluation.benchmarks.fast_vqa import EpisodeVQA
from frozenvl.evaluation.benchmarks.matching import Matching
from frozenvl.evaluation.benchmarks.naming import Naming
from frozenvl.evaluation.benchmarks.object_captions import ObjectCaptions
from frozenvl.evaluation.benchmarks.pointing_game import PointingGame
from frozenvl.evaluation.benchmarks.randomisation import Randomisation
from frozenvl.evaluation.benchmarks.reconstruction import Reconstruction
from frozenvl.evaluation.benchmarks.retrieval import Retrieval
from frozenvl.evaluation.benchmarks.tagging import Tagging
from frozenvl.evaluation.benchmarks.vqa import FewShotVQA
from frozenvl.evaluation.benchmarks.zero_shot import ZeroShot

__all__ = [
    "Captions",
    "Completeness",
    "Deletion",
    "DialogueGeneration",
    "DialogueRanking",
    "Drawing",
    "EpisodeVQA",
    "FewShotVQA",
    "Matching",
    "Naming",
    "ObjectCaptions",
    "PointingGame",
    "Randomisation",
    "Reconstruction",
    "Retrieval",
    "Tagging",
    "ZeroShot",
]
