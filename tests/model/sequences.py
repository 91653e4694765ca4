"""Sequences of unequal length."""

import torch

LENGTHS = torch.tensor([13, 1, 7, 10])


def rows(model, dtype=torch.float32):
    """Returns random embeddings and labels for sequences of the lengths `LENGTHS`."""
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(
        len(LENGTHS), int(LENGTHS.max()), model.dim, generator=generator, dtype=torch.float64
    )
    labels = torch.randint(model.model.config.vocab_size, (int(LENGTHS.sum()),), generator=generator)
    return embeddings.to(dtype), labels
