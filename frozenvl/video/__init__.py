"""Videos in prompts: clips, the sampling of their frames, and their decoding."""

from frozenvl.video.files import image_or_video
from frozenvl.video.sampling import RULES, Sampling
from frozenvl.video.video import Video

__all__ = ["RULES", "Sampling", "Video", "image_or_video"]
