"""Explanation: which parts of an image a model's text depends on, and what its encoder and its layers attend to."""
