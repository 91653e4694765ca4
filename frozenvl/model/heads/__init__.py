"""Embedding heads: projections of texts and images into one space."""

from frozenvl.model.heads.head import EmbeddingHead
from frozenvl.model.heads.retrieval import Retrieval

__all__ = ["EmbeddingHead", "Retrieval"]
