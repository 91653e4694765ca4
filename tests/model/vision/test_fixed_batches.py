"""Batches of a fixed size."""

import torch

from frozenvl.model.vision.fixed_batches import in_fixed_batches


def test_batches_have_one_size():
    seen = []
    double = lambda rows: seen.append(len(rows)) or 2 * rows
    rows = torch.arange(14.0).view(7, 2)
    assert in_fixed_batches(double, rows, 3).equal(2 * rows) and seen == [3, 3, 3]
    assert in_fixed_batches(double, rows[:6], 3).equal(2 * rows[:6]) and seen[3:] == [3, 3]
    assert in_fixed_batches(double, rows[:0], 3).shape == (0, 2)
