"""Mappers, one file each: image features to `k` vectors in the language model's input space."""

from frozenvl.model.mappers.linear import Linear
from frozenvl.model.mappers.mapper import Mapper
from frozenvl.model.mappers.mlp import MLP
from frozenvl.model.mappers.patch_linear import PatchLinear
from frozenvl.model.mappers.pixel_shuffle import PixelShuffle
from frozenvl.model.mappers.resampler import Resampler
from frozenvl.model.mappers.transformer import Transformer

__all__ = ["MLP", "Linear", "Mapper", "PatchLinear", "PixelShuffle", "Resampler", "Transformer"]
