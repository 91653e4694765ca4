"""Data sets: one small file a format, each a sequence of `Example`s."""
