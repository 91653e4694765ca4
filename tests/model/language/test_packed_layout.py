import itertools

import pytest
import torch

from frozenvl.model.language import packed_layout
from frozenvl.model.language.packed_layout import Layout, unpacked
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
@pytest.mark.parametrize("multiple", [1, 8])
def test_rows_with_a_common_beginning_have_copies_whose_gradients_are_added(dtype, multiple):
    # abcd, abx, y, abxz
    tree, lengths = PrefixTree((0, 1, 3, 2), (0, 2, 0, 3)), torch.tensor([4, 3, 1, 4])
    layout = Layout.of(lengths, tree, multiple)
    assert layout.deal.tolist() == [[0, 1, 2, 3], [0, 1, 4, 0], [5, 0, 0, 0], [0, 1, 4, 6]]
    padding = multiple - 7 if multiple > 7 else 0
    assert layout.positions.tolist() == [0, 1, 2, 3, 2, 0, 3] + [0] * padding
    generator = torch.Generator().manual_seed(0)
    random = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)
    packed = random(7 + padding, 5).requires_grad_()
    weights = random(12, 5)
    rows = unpacked(packed, layout)
    assert rows.equal(packed[torch.tensor([0, 1, 2, 3, 0, 1, 4, 5, 0, 1, 4, 6])])
    (rows * weights).sum().backward()
    places = torch.tensor([0, 1, 2, 3, 0, 1, 4, 5, 0, 1, 4, 6])
    expected = torch.zeros(7 + padding, 5, dtype=torch.float64).index_add_(0, places, weights.double())
    torch.testing.assert_close(packed.grad, expected.to(dtype), rtol=0, atol=0)


def test_the_maps_of_heads_are_those_of_positions():
    layout = Layout.of(torch.tensor([3, 2, 3]), PrefixTree((0, 1, 2), (0, 2, 1)))
    copies, packed = layout.keys(2), torch.arange(layout.new.sum() * 2)
    dealt = packed[copies.source].view(3, 2, 3)
    for row, head in itertools.product(range(3), range(2)):
        real, expected = layout.real[layout.order[row]], layout.deal[layout.order[row]] * 2 + head
        assert dealt[row, head][real].equal(expected[real])
    assert dealt.flatten()[copies.first].equal(packed)
    assert dealt.flatten()[copies.again].equal(copies.of) and len(copies.again) == 3 * 2


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize(
    "tree, lengths, parts",
    [
        (None, [3, 2, 3], [(3, 3)]),
        # abcde, abcdx, abcdy, abcd: one row of five queries, two of one, and one that has all from others
        (PrefixTree((0, 1, 2, 3), (0, 4, 4, 4)), [5, 5, 5, 4], [(1, 5), (3, 1)]),
        # the same, all of it repeated: nothing is left for the other rows
        (PrefixTree((0, 1, 2), (0, 4, 4)), [4, 4, 4], [(1, 4)]),
        # little is saved, so there is one part
        (PrefixTree((0, 1), (0, 1)), [6, 6], [(2, 6)]),
    ],
)
def test_each_position_is_a_query_once_where_it_is_computed(tree, lengths, parts, heads):
    layout = Layout.of(torch.tensor(lengths), tree)
    assert [(part.end - part.start, part.queries) for part in layout.parts] == parts
    copies, vectors = layout.queries(heads), torch.arange(len(layout.positions) * heads)
    dealt = vectors[copies.source]
    assert dealt[copies.first].equal(vectors) and not len(copies.again)
    start = 0
    for number, (part, (rows, queries)) in enumerate(zip(layout.parts, parts, strict=True)):
        places = dealt[start : start + rows * heads * queries].view(rows, heads, queries)
        start += places.numel()
        seen = ~layout.hidden(number).expand(rows, 1, 1, queries, layout.width)
        for row, head, query in itertools.product(range(rows), range(heads), range(queries)):
            of = layout.order[part.start + row]
            at = query + (0 if tree is None else tree.shared[of])
            if at < lengths[of]:  # else it is padding
                assert places[row, head, query] == layout.deal[of, at] * heads + head
                assert seen[row, 0, 0, query].nonzero()[:, 0].tolist() == list(range(at + 1))


@pytest.mark.parametrize(
    ("lengths", "cost", "parts"),
    [
        ([9, 3, 9, 2], 0, [(2, 9, 9), (1, 3, 3), (1, 2, 2)]),
        ([9, 3, 9, 2], 6, [(2, 9, 9), (2, 3, 3)]),  # a third part saves 9 - 4 = 5 pairs
        ([9, 3, 9, 2], 150, [(4, 9, 9)]),  # two parts save 2 * (81 - 9) = 144
        ([9, 0, 3], 0, [(1, 9, 9), (1, 3, 3)]),
        ([5, 5, 5], 0, [(3, 5, 5)]),
        ([30, 29, 28, 27, 25] * 10, None, [(50, 30, 30)]),
        ([257, 120, 112, 89], None, [(1, 257, 257), (2, 120, 120), (1, 89, 89)]),
    ],
)
def test_rows_of_similar_length_are_a_part_if_that_saves_more_than_parts_cost(
    lengths, cost, parts, monkeypatch
):
    if cost is not None:
        monkeypatch.setattr(packed_layout, "PART_COST", cost)
    layout = Layout.of(torch.tensor(lengths))
    assert [(part.end - part.start, part.queries, part.keys) for part in layout.parts] == parts
    assert sorted(layout.order.tolist()) == list(range(len(lengths)))
    if len(parts) == 1:
        assert layout.order.tolist() == list(range(len(lengths)))


def test_a_window_hides_what_is_too_far_back():
    layout = Layout.of(torch.tensor([5, 5, 5]), PrefixTree((0, 1, 2), (0, 4, 3)))
    assert (~layout.hidden(0, 2)).sum(-1).flatten().tolist() == [1, 2, 2, 2, 2]
    # Rows 2 and 1. The last query is padding: it sees what the last column sees, so that it sees something.
    assert (~layout.hidden(1, 2))[:, 0, 0].sum(-1).tolist() == [[2, 2], [2, 2]]


@pytest.mark.parametrize("tree", [None, PrefixTree((0, 1), (0, 2))])
def test_padding_behind_all_sequences_is_dropped(tree):
    layout = Layout.of(torch.tensor([3, 3]), tree, 32)
    packed = torch.arange(32.0)[:, None].requires_grad_()
    rows = unpacked(packed, layout)
    assert rows[:, 0].tolist() == [0, 1, 2, *((0, 1, 3) if tree else (3, 4, 5))]
    rows.sum().backward()
    assert packed.grad[:, 0].tolist() == ([2, 2, 1, 1] if tree else [1] * 6) + [0] * (28 if tree else 26)
