from dataclasses import replace

import pytest
import torch

from frozenvl.model.batch import Batch
from frozenvl.model.processor import Pixels, Processor


@pytest.fixture
def batch(tiny_language):
    prompts = ["a", "Question: what color is the circle?", "red", "a large red circle", "no"]
    return Processor(str(tiny_language), 2, Pixels(8))([(text,) for text in prompts])


@pytest.mark.parametrize("positions", [1, 12, 40, 10_000])
def test_chunks_hold_every_row_once_within_the_limit(batch, positions):
    chunks = list(batch.chunks(positions))
    assert sorted(torch.cat([chunk.index for chunk in chunks]).tolist()) == list(range(len(batch)))
    for chunk in chunks:
        assert chunk.tokens.numel() <= positions or len(chunk) == 1
        assert chunk.tokens.shape == chunk.slots.shape == chunk.labels.shape
        assert chunk.tokens.shape[1] == chunk.lengths.max()
        assert chunk.ids == tuple(batch.ids[i] for i in chunk.index)
        for row, i in enumerate(chunk.index):
            length = int(batch.lengths[i])
            assert chunk.tokens[row, :length].equal(batch.tokens[i, :length]) and chunk.lengths[row] == length


def test_real_positions_exclude_padding(batch):
    assert batch.real().sum(1).equal(batch.lengths) and not batch.real()[0, batch.lengths[0] :].any()


def test_positions_before_each_row_count_towards_the_limit(batch):
    for before in (0, 30):
        chunks = list(batch.chunks(80, before=before))
        assert all((before + c.tokens.shape[1]) * len(c) <= 80 or len(c) == 1 for c in chunks)
    assert len(chunks) > len(list(batch.chunks(80)))


def test_values_of_images_become_means_over_views():
    values = torch.tensor([[1.0], [2.0], [6.0]])
    empty = torch.zeros(1, 1, dtype=torch.long)
    batch = Batch(("0",), empty, empty, empty, torch.ones(1, dtype=torch.long), values)
    assert batch.per_view(values) is values
    views = torch.tensor([[0, 1, 2], [2, -1, -1]])
    assert replace(batch, views=views, numbers=views).per_view(values).tolist() == [[3.0], [6.0]]
