"""Objectives: what a model is trained for. A file for each."""

from frozenvl.objectives.captioning import Captioning
from frozenvl.objectives.objective import Objective

__all__ = ["Captioning", "Objective"]
