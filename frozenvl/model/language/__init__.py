"""The frozen causal language model: forward pass, caches, decoding and log-likelihoods."""
