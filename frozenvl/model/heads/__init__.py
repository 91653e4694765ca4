"""Heads: projections of texts and images into one space, and the judgement whether a text fits an image."""

from frozenvl.model.heads.head import EmbeddingHead, Head
from frozenvl.model.heads.matching import Matching
from frozenvl.model.heads.retrieval import Retrieval
from frozenvl.model.heads.sentence import SentenceSpace

__all__ = ["EmbeddingHead", "Head", "Matching", "Retrieval", "SentenceSpace"]
