"""Data sources: one module per format, each source a sequence of `Example`s."""
