import itertools

import pytest
import torch

from frozenvl.model.language.packing import Layout, unpacked
from frozenvl.model.prefix_tree import PrefixTree


@pytest.mark.parametrize("lengths", [[3, 1, 2], [1], [2, 2], [1, 0, 4]])
def test_a_layout_distributes_and_collects_positions(lengths):
    layout = Layout.of(torch.tensor(lengths))
    packed = torch.arange(sum(lengths))
    rows = packed[layout.deal].view(layout.rows, layout.width)
    start = 0
    for row, length in zip(rows, lengths, strict=True):
        assert row[:length].tolist() == list(range(start, start + length))
        start += length
    assert rows[layout.new].equal(packed) and layout.new.equal(layout.real)
    assert layout.positions.tolist() == [position for length in lengths for position in range(length)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_rows_with_a_common_beginning_have_copies_whose_gradients_are_added(dtype):
    # abcd, abx, y, abxz
    tree, lengths = PrefixTree((0, 1, 3, 2), (0, 2, 0, 3)), torch.tensor([4, 3, 1, 4])
    layout = Layout.of(lengths, tree)
    assert layout.deal.tolist() == [[0, 1, 2, 3], [0, 1, 4, 0], [5, 0, 0, 0], [0, 1, 4, 6]]
    assert layout.positions.tolist() == [0, 1, 2, 3, 2, 0, 3]
    generator = torch.Generator().manual_seed(0)
    random = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)
    packed = random(7, 5).requires_grad_()
    weights = random(12, 5)
    rows = unpacked(packed, layout)
    assert rows.equal(packed[torch.tensor([0, 1, 2, 3, 0, 1, 4, 5, 0, 1, 4, 6])])
    (rows * weights).sum().backward()
    places = torch.tensor([0, 1, 2, 3, 0, 1, 4, 5, 0, 1, 4, 6])
    expected = torch.zeros(7, 5, dtype=torch.float64).index_add_(0, places, weights.double())
    torch.testing.assert_close(packed.grad, expected.to(dtype), rtol=0, atol=0)


def test_the_maps_of_heads_are_those_of_positions():
    layout = Layout.of(torch.tensor([3, 2, 3]), PrefixTree((0, 1, 2), (0, 2, 1)))
    copies, packed = layout.by_heads(2), torch.arange(layout.new.sum() * 2)
    dealt = packed[copies.source].view(3, 2, 3)
    for row, head in itertools.product(range(3), range(2)):
        expected = layout.deal[row] * 2 + head
        assert dealt[row, head][layout.real[row]].equal(expected[layout.real[row]])
    assert dealt.flatten()[copies.first].equal(packed)
    assert dealt.flatten()[copies.again].equal(copies.of) and len(copies.again) == 3 * 2
