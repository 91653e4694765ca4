"""Tiny instances of every fusion inside the layers."""

from frozenvl.model.fusion import Add, CrossAttention, LayerPrefix, Multiply

MAKE = {
    "add": lambda: Add([0, 1], width=8),
    "multiply": lambda: Multiply([0, 1]),
    "cross_attention": lambda: CrossAttention(every=1, heads=2, width=8, ratio=1.0),
    "all_images": lambda: CrossAttention(every=2, heads=2, width=8, ratio=0.0, images="all"),
    "layer_prefix": lambda: LayerPrefix(width=8),
}
NO_LAYER_PREFIX = {"gemma2", "bloom", "mpt", "falcon", "mamba"}
"""Architectures whose attention cannot be extended."""
