"""Embedding heads: projections of texts and images into one space."""

from frozenvl.model.heads.head import EmbeddingHead
from frozenvl.model.heads.retrieval import Retrieval
from frozenvl.model.heads.sentence import SentenceSpace

__all__ = ["EmbeddingHead", "Retrieval", "SentenceSpace"]
