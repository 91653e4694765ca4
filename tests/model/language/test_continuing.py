"""Reading sequences into a KV cache, and continuing from it."""

from __future__ import annotations

import copy

import pytest
import torch
from architectures import ALL
from sequences import LENGTHS, rows

from frozenvl.model.language import continuing
from frozenvl.model.language.conditioning import Conditioner, Conditioning
from frozenvl.util.errors import UserError


class Shift(Conditioner):
    """Conditioner that adds a number to the hidden states of positions that see image 1."""

    def before_layer(self, number, hidden, conditioning):
        return hidden + (conditioning.view_of.flatten() == 1)[:, None] * 0.5


@torch.no_grad()
@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("conditioned", [False, True])
def test_tokens_continue_as_in_whole_sequences(language, kind, conditioned):
    """Rows are left out on the way, and what their images add goes on."""
    model = copy.deepcopy(language(kind))
    model.condition([0, 1])
    embeddings, _ = rows(model)
    tokens = torch.arange(12).view(3, 4) % model.model.config.vocab_size
    image_of = torch.tensor([[0] * 13, [1] * 13, [-1] * 3 + [1] * 10, [0] * 5 + [1] * 8])
    seen = Conditioning.of(Shift(torch.zeros(2, 1, model.dim)), image_of) if conditioned else None

    past = model.read(embeddings, LENGTHS, None, seen)
    for step, kept in enumerate([[0, 1, 2, 3], [0, 2, 3], [3, 2]]):
        order = [[0, 1, 2, 3], [0, 2, 3], [2, 1]][step]
        past = model.advance(past.reordered(torch.tensor(order)), tokens[step, : len(kept)])
    for row, index in enumerate([3, 2]):
        length = int(LENGTHS[index])
        chosen = [tokens[0, index], tokens[1, {2: 1, 3: 2}[index]], tokens[2, row]]
        whole = torch.cat([embeddings[index, :length], model.embed(torch.stack(chosen))])[None]
        views = torch.cat([image_of[index, :length], image_of[index, length - 1 : length].expand(3)])[None]
        alone = Conditioning.of(Shift(torch.zeros(2, 1, model.dim)), views) if conditioned else None
        expected = model.hidden(whole, torch.tensor([length + 3]), conditioning=alone)[-1]
        torch.testing.assert_close(past.hidden[row], expected, rtol=1e-3, atol=2e-4)


def test_layers_with_another_kind_of_cache_are_refused(language, monkeypatch):
    model = language("llama")
    monkeypatch.setattr(continuing, "KEYS_AND_VALUES", ())
    with pytest.raises(UserError, match="cannot share a leading part"):
        model.read_lead(torch.zeros(1, 3, model.dim))
