"""Image encoders, one file per library: pixels to features."""

from frozenvl.model.vision.autoencoder import Autoencoder
from frozenvl.model.vision.encoder import PixelEncoder, VisionEncoder
from frozenvl.model.vision.huggingface import HFEncoder
from frozenvl.model.vision.precomputed import Precomputed
from frozenvl.model.vision.side_by_side import SideBySide
from frozenvl.model.vision.timm import TimmEncoder
from frozenvl.model.vision.torchvision import TorchvisionEncoder

__all__ = [
    "Autoencoder",
    "HFEncoder",
    "PixelEncoder",
    "Precomputed",
    "SideBySide",
    "TimmEncoder",
    "TorchvisionEncoder",
    "VisionEncoder",
]
