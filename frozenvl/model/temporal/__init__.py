"""Temporal parts, one file each: how the frames of a video become prefix vectors."""

from frozenvl.model.temporal.frame_embedding import FrameEmbedding
from frozenvl.model.temporal.frame_resampler import FrameResampler
from frozenvl.model.temporal.frame_transformer import FrameTransformer
from frozenvl.model.temporal.mean_over_frames import MeanOverFrames
from frozenvl.model.temporal.temporal import Temporal

__all__ = ["FrameEmbedding", "FrameResampler", "FrameTransformer", "MeanOverFrames", "Temporal"]
