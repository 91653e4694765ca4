"""The frozen causal language model: forward pass, caches, decoding and log-likelihoods."""

from frozenvl.model.language.causal_lm import FrozenLanguageModel

__all__ = ["FrozenLanguageModel"]
