"""A framework for experiments with vision-language models built on a frozen language model."""

__version__ = "0.1.0"
