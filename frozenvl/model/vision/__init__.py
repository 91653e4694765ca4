"""Image encoders: pixels to features. One file for each library that they come from."""

from frozenvl.model.vision.encoder import VisionEncoder
from frozenvl.model.vision.hf_encoder import HFEncoder
from frozenvl.model.vision.timm_encoder import TimmEncoder
from frozenvl.model.vision.torchvision_encoder import TorchvisionEncoder

__all__ = ["HFEncoder", "TimmEncoder", "TorchvisionEncoder", "VisionEncoder"]
