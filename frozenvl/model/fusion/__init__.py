"""Fusions, one file each: how image vectors are combined with the text."""

from frozenvl.model.fusion.add import Add
from frozenvl.model.fusion.concat import Concat
from frozenvl.model.fusion.cross_attention import CrossAttention
from frozenvl.model.fusion.fusion import Fusion, LayerFusion
from frozenvl.model.fusion.layer_prefix import LayerPrefix
from frozenvl.model.fusion.multiply import Multiply

__all__ = ["Add", "Concat", "CrossAttention", "Fusion", "LayerFusion", "LayerPrefix", "Multiply"]
