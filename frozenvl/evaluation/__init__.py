"""Evaluation in the loop: Lightning callbacks that generate, score and draw."""

from frozenvl.evaluation.captions import Captions
from frozenvl.evaluation.fewshot import FewShotVQA

__all__ = ["Captions", "FewShotVQA"]
