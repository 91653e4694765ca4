"""Rendered scenes: random descriptions, captions, questions and images."""
