from types import SimpleNamespace

import pytest
import torch

from frozenvl.model.language import packed_layout, packing
from frozenvl.model.language.packed_layout import Layout
from frozenvl.model.language.packing import packed, packed_attention
from frozenvl.model.prefix_tree import PrefixTree

TREES = {
    "none": (None, [4, 1, 6]),
    "conversations": (None, [3, 9, 4, 9, 1, 3]),
    "an image with three captions, and one alone": (PrefixTree((0, 1, 2, 3), (0, 5, 5, 0)), [7, 8, 6, 3]),
    "a branch of a branch": (PrefixTree((2, 0, 1, 3), (3, 6, 0, 1)), [6, 8, 4, 9]),
    "a branch with fewer queries than others of its part": (PrefixTree((0, 1, 2), (0, 8, 4)), [10, 9, 10]),
    "the same row twice": (PrefixTree((0, 1), (0, 5)), [5, 5]),
}


def plainly(query, key, value, layout, window, softcap):
    """Attention of each row alone, (T, heads, width). Each position is taken from the row that computes it."""
    out = {}
    for deal, real, new in zip(layout.deal, layout.real, layout.new, strict=True):
        for at in new.nonzero()[:, 0].tolist():
            first = 0 if window is None else max(0, at - window + 1)
            seen = deal[first : at + 1]
            assert real[: at + 1].all()
            heads = []
            for head in range(query.shape[1]):
                group = head // (query.shape[1] // key.shape[1])
                scores = key[0, group, seen] @ query[0, head, deal[at]] * 0.3
                if softcap is not None:
                    scores = softcap * torch.tanh(scores / softcap)
                heads.append(scores.softmax(0) @ value[0, group, seen])
            out[deal[at].item()] = torch.stack(heads)
    return torch.stack([out[position] for position in range(len(out))])


@pytest.mark.parametrize("window, softcap, fused", [(None, None, False), (None, None, True), (3, 2.0, False)])
@pytest.mark.parametrize("multiple", [1, 16])
@pytest.mark.parametrize("name", TREES)
@pytest.mark.parametrize("cost", [0, packed_layout.PART_COST])
def test_attention_and_its_gradients_are_those_of_each_row_alone(
    name, multiple, window, softcap, fused, cost, monkeypatch
):
    """Also where rows of other lengths are other parts (with a cost of 0)."""
    monkeypatch.setattr(packed_layout, "PART_COST", cost)
    monkeypatch.setattr(packing, "fused", lambda device: fused)
    tree, lengths = TREES[name]
    layout = Layout.of(torch.tensor(lengths), tree, multiple)
    real, padding = layout.new.sum(), len(layout.positions) - layout.new.sum()
    assert len(layout.positions) % multiple == 0 and padding < multiple
    generator = torch.Generator().manual_seed(0)
    random = lambda heads, width: torch.randn(
        1, heads, len(layout.positions), width, generator=generator, dtype=torch.float64
    ).requires_grad_()
    inputs = random(4, 6), random(2, 6), random(2, 3)
    mask = None if window is None else torch.tensor(window)
    with packed(SimpleNamespace(_attn_implementation="eager"), layout):
        found, _ = packed_attention(None, *inputs, mask, scaling=0.3, softcap=softcap)
    expected = plainly(*inputs, layout, window, softcap)
    torch.testing.assert_close(found[0, :real], expected, rtol=0, atol=1e-12)
    assert not found[0, real:].any()
    weights = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
    ours, theirs = (torch.autograd.grad((out * weights).sum(), inputs) for out in (found[0, :real], expected))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
