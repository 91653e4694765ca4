"""KV caches: selecting rows, and padding of a shared prefix."""

import torch
from sequences import LENGTHS, rows

from frozenvl.model.language.kv_cache import left_padded


def test_left_padded_moves_rows_to_the_right():
    moved, mask = left_padded(
        torch.tensor([[[1.0], [2.0], [0.0]], [[3.0], [4.0], [5.0]]]), torch.tensor([2, 3])
    )
    assert moved[..., 0][mask.bool()].tolist() == [1, 2, 3, 4, 5]
    assert mask.tolist() == [[0, 1, 1], [1, 1, 1]]


def test_rows_can_be_selected_repeatedly_as_copies(language):
    model = language("llama")
    embeddings, _ = rows(model)
    past = model.read(embeddings, LENGTHS)
    assert past.lengths.equal(LENGTHS)
    picked = past.rows(torch.tensor([2, 0, 2]))
    assert picked.lengths.tolist() == [7, 13, 7]
    assert picked.hidden.equal(past.hidden[[2, 0, 2]])
    for one, other in zip(picked.cache.layers, past.cache.layers, strict=True):
        assert one.keys.equal(other.keys[[2, 0, 2]]) and one.values.equal(other.values[[2, 0, 2]])
    before = past.cache.layers[0].keys.clone()
    model.extend(
        embeddings[:3, :2], torch.cat([picked.mask, picked.mask.new_ones(3, 2)], dim=1), picked.cache
    )
    assert picked.cache.get_seq_length() == past.cache.get_seq_length() + 2
    assert past.cache.layers[0].keys.equal(before)


def test_a_shared_prefix_follows_the_padding_of_each_row(language):
    model = language("llama")
    embeddings, _ = rows(model)
    past = model.read(embeddings[:1], LENGTHS[:1])
    lead = past.lead(torch.tensor([0, 3]))
    assert lead.get_seq_length() == 13
    for made, read in zip(lead.layers, past.cache.layers, strict=True):
        assert made.keys[0].equal(read.keys[0]) and made.values[0].equal(read.values[0])
        assert made.keys[1, :, 3:].equal(read.keys[0, :, :-3])
        assert made.values[1, :, 3:].equal(read.values[0, :, :-3])
