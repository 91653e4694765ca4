"""Small pretrained models from the Python package index (PyPI), and the resolution of model names."""
