"""Former place of `frozenvl.model.mappers`, for configurations and exports that name it."""

from frozenvl.model.mappers import MLP, Linear, Mapper, PatchLinear, PixelShuffle, Resampler, Transformer

__all__ = ["MLP", "Linear", "Mapper", "PatchLinear", "PixelShuffle", "Resampler", "Transformer"]
