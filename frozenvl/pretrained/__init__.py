"""Small real models from the Python package index, and how a model name becomes a folder."""
