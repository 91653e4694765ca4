"""Conditioning: which images positions see, attention to them, and passes that do not disturb each other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from frozenvl.model.language.conditioning import (
    ATTENTION,
    Conditioner,
    Conditioning,
    add_image_attention,
    before_layer,
    conditioned,
)

IMAGE_OF = torch.tensor([[-1, 0, 0, 2, 2], [1, 1, 0, -1, -1], [-1, -1, -1, -1, -1]])
"""The second row ends with padding, and the third sees no image."""
SEEN = {
    "last": [[(), (0,), (0,), (2,), (2,)], [(1,), (1,), (0,), (), ()], [()] * 5],
    "all": [[(), (0,), (0,), (0, 2), (0, 2)], [(1,), (1,), (1, 0), (), ()], [()] * 5],
}


class Images(Conditioner):
    """Conditioner without computations, with a rule."""

    def __init__(self, rule="last", number=3) -> None:
        super().__init__(torch.zeros(number, 2, 4))
        self.rule = rule


def seen_by(conditioning: Conditioning) -> list[list[tuple[int, ...]]]:
    """Returns the images that each position sees."""
    views = [tuple(image for image in view if image >= 0) for view in conditioning.views.tolist()]
    return [[views[view] if view >= 0 else () for view in row] for row in conditioning.view_of.tolist()]


@pytest.mark.parametrize("rule", SEEN)
def test_a_position_sees_the_last_image_or_all_before_it(rule):
    conditioning = Conditioning.of(Images(rule), IMAGE_OF)
    assert seen_by(conditioning) == SEEN[rule]
    assert Conditioning.of(Images(rule), IMAGE_OF[2:]) is None
    assert seen_by(conditioning.rows(torch.tensor([1, 0]))) == [SEEN[rule][1], SEEN[rule][0]]
    assert seen_by(conditioning.columns(1, 3)) == [row[1:3] for row in SEEN[rule]]
    assert seen_by(conditioning.behind(2)) == [[(), (), *row] for row in SEEN[rule]]


@pytest.mark.parametrize("rule", SEEN)
def test_groups_hold_each_position_that_sees_an_image_once(rule):
    conditioning = Conditioning.of(Images(rule), IMAGE_OF)
    groups = conditioning.groups
    flat = [view for row in SEEN[rule] for view in row]
    assert groups.seeing.tolist() == [place for place, view in enumerate(flat) if view]
    for group, images in zip(groups.grid.tolist(), groups.images.tolist(), strict=True):
        members = [index for index in group if index < len(groups.seeing)]
        view = tuple(image for image in images if image >= 0)
        assert {flat[groups.seeing[index]] for index in members} == {view}
    assert groups.grid.flatten()[groups.place].tolist() == list(range(len(groups.seeing)))


@pytest.mark.parametrize("rule", SEEN)
@pytest.mark.parametrize("key_heads", [4, 2, 1])
def test_attention_equals_that_of_each_position_alone(rule, key_heads):
    """Compares with a loop over positions and heads, in fp64; gradients too."""
    torch.manual_seed(0)
    conditioning = Conditioning.of(Images(rule), IMAGE_OF)
    flat = [view for row in SEEN[rule] for view in row if view]
    query = torch.randn(len(flat), 4, 8, dtype=torch.float64, requires_grad=True)
    keys, values = (
        torch.randn(3, 2, key_heads, width, dtype=torch.float64, requires_grad=True) for width in (8, 6)
    )

    def alone(place: int, head: int) -> Tensor:
        shared = head // (4 // key_heads)
        k, v = (x[list(flat[place])][:, :, shared].flatten(0, 1) for x in (keys, values))
        return ((query[place, head] @ k.T) * 0.3).softmax(-1) @ v

    expected = torch.stack(
        [torch.stack([alone(place, head) for head in range(4)]) for place in range(len(flat))]
    )
    found = conditioning.attend(query, keys, values, 0.3)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    inputs, weights = (query, keys, values), torch.randn_like(expected)
    for one, other in zip(
        torch.autograd.grad((found * weights).sum(), inputs),
        torch.autograd.grad((expected * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_positions_that_see_no_image_are_not_changed():
    conditioning = Conditioning.of(Images(), IMAGE_OF)
    positions = torch.randn(15, 4)
    sees = (IMAGE_OF >= 0).flatten()
    changed = conditioning.add(positions, torch.ones(int(sees.sum()), 4))
    assert changed[~sees].equal(positions[~sees]) and changed[sees].equal(positions[sees] + 1)
    assert conditioning.select(positions).equal(positions[sees])


def test_decoding_continues_with_what_the_last_position_sees():
    """`generate` repeats each row for its beams, then passes one position at a time."""
    conditioning = Conditioning.of(Images(), IMAGE_OF[:2, :3])
    assert conditioning.fitted(2, 3) is conditioning
    assert seen_by(conditioning.fitted(4, 3)) == [row[:3] for row in SEEN["last"][:2] for _ in range(2)]
    assert seen_by(conditioning.fitted(4, 1)) == [[(0,)], [(0,)], [(0,)], [(0,)]]
    assert conditioning.fitted(4, 1) is conditioning.fitted(4, 1)


class Shift(Conditioner):
    """Conditioner that adds a number to the hidden states of positions that see an image."""

    def __init__(self, by: float) -> None:
        super().__init__(torch.zeros(1, 1, 4))
        self.by = by

    def before_layer(self, number, hidden, conditioning):
        return conditioning.add(hidden, torch.full((len(conditioning.groups.seeing), 4), self.by))

    def attention(self, number, query, scale, conditioning):
        return torch.full((len(query), 2, 3), self.by)


def shifted(by: float) -> Conditioning:
    return Conditioning.of(Shift(by), torch.tensor([[-1, 0]]))


def test_outside_a_conditioned_pass_nothing_changes():
    hidden = torch.zeros(1, 2, 4)
    assert conditioned.now() is None and before_layer(0, None, (hidden,), {}) is None
    out = torch.zeros(1, 2, 2, 3)
    assert add_image_attention(SimpleNamespace(layer_idx=0), torch.zeros(1, 2, 2, 5), out, 1.0) is out


def test_a_pass_changes_the_input_of_a_layer_by_place_or_by_name():
    hidden = torch.zeros(1, 2, 4)
    with conditioned(shifted(2.0)):
        (found, more), _ = before_layer(0, None, (hidden, "more"), {})
        assert found.tolist() == [[[0.0] * 4, [2.0] * 4]] and more == "more"
        _, named = before_layer(0, None, (), {"hidden_states": hidden, "more": 1})
        assert named["hidden_states"].equal(found) and named["more"] == 1
        out = add_image_attention(
            SimpleNamespace(layer_idx=0), torch.zeros(1, 2, 2, 5), torch.zeros(1, 2, 2, 3), 1.0
        )
        assert out[0, 0].eq(0).all() and out[0, 1].eq(2).all()


def test_passes_can_be_nested_entered_again_and_run_in_threads():
    config = SimpleNamespace(_attn_implementation="sdpa")
    outer, inner = conditioned(shifted(1.0)), conditioned(shifted(2.0), config)

    def values(number: int) -> list[float]:
        found = []
        with conditioned(shifted(float(number))):
            for _ in range(50):
                ((hidden, *_), _) = before_layer(0, None, (torch.zeros(1, 2, 4),), {})
                found.append(hidden[0, 1, 0].item())
        return found

    for _ in range(2):
        with outer:
            with inner:
                assert conditioned.now() is inner and config._attn_implementation == ATTENTION
            assert conditioned.now() is outer and config._attn_implementation == "sdpa"
        assert conditioned.now() is None
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(values, range(8))) == [[float(number)] * 50 for number in range(8)]
