"""Rendered scenes: descriptions, captions, questions and pictures."""
