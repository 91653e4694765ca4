"""Heads: projections of texts and images into one space, the judgement whether a text fits an image, and pictures."""

from frozenvl.model.heads.drawing import Drawing
from frozenvl.model.heads.head import EmbeddingHead, Head
from frozenvl.model.heads.matching import Matching
from frozenvl.model.heads.retrieval import Retrieval
from frozenvl.model.heads.sentence import SentenceSpace

__all__ = ["Drawing", "EmbeddingHead", "Head", "Matching", "Retrieval", "SentenceSpace"]
