"""Fusions, one file each: how image vectors are combined with the text."""

from frozenvl.model.fusion.concat import Concat
from frozenvl.model.fusion.fusion import Fusion

__all__ = ["Concat", "Fusion"]
