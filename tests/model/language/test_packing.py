import pytest
import torch

from frozenvl.model.language.packing import Layout


@pytest.mark.parametrize("lengths", [[3, 1, 2], [1], [2, 2], [1, 0, 4]])
def test_a_layout_distributes_and_collects_positions(lengths):
    layout = Layout.of(torch.tensor(lengths))
    packed = torch.arange(sum(lengths))
    rows = packed[layout.deal].view(layout.rows, layout.width)
    start = 0
    for row, length in zip(rows, lengths, strict=True):
        assert row[:length].tolist() == list(range(start, start + length))
        start += length
    assert rows.flatten()[layout.collect].equal(packed)
    assert layout.positions.tolist() == [position for length in lengths for position in range(length)]
