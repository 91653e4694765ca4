"""Random pixels for image encoders."""

import torch


def any_pixels(encoder):
    shape = (2, 3, encoder.size, encoder.size)
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
