"""Fusions: how image vectors meet the text. A file for each."""

from frozenvl.model.fusion.concat import Concat
from frozenvl.model.fusion.fusion import Fusion

__all__ = ["Concat", "Fusion"]
