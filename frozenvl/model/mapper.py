"""Former module of the mappers, kept for configurations and exports that name it. Use `frozenvl.model.mappers`."""

from frozenvl.model.mappers import MLP, Linear, Mapper, PatchLinear, PixelShuffle, Resampler, Transformer

__all__ = ["MLP", "Linear", "Mapper", "PatchLinear", "PixelShuffle", "Resampler", "Transformer"]
