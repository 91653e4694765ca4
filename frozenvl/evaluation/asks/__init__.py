"""What a benchmark asks of a model."""
