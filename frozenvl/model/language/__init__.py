"""A frozen causal language model."""
