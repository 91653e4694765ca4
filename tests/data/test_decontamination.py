"""Removal of evaluated images from training data."""

from __future__ import annotations

import numpy as np
import pytest

from frozenvl.data.decontamination import Without
from frozenvl.data.episodes import Shots
from frozenvl.data.sources.source import Source
from frozenvl.data.stream import Task
from frozenvl.prompt import BlackImage, Example
from frozenvl.training.datamodule import FrozenData
from frozenvl.util.errors import UserError


class Photographs(Source):
    """Source with one image per id, each with `texts` texts."""

    def __init__(self, ids, texts=1, shards=None):
        self.ids, self.targets_per_example, self._shard_sizes = ids, texts, shards

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Example:
        count = np.broadcast_to(self.targets_per_example, len(self))[index]
        return Example(str(index), BlackImage(), self.ids[index], tuple(f"text {n}" for n in range(count)))

    def image_ids(self):
        return self.ids

    @property
    def shard_sizes(self):
        return self._shard_sizes or [self.pairs]


COCO = [f"coco/{number}" for number in range(6)]


def data(train, val, **options) -> FrozenData:
    return FrozenData({"t": Task(train)}, {"v": Task(val)}, **options)


def test_training_examples_of_validation_images_are_left_out():
    made = data(Photographs(COCO, 2), Photographs(["coco/3", "coco/5", "coco/77"]))
    source = made.train["t"].source
    assert [source[index].image_id for index in range(len(source))] == [COCO[i] for i in (0, 1, 2, 4)]
    assert source.pairs == 8 and made.overlapping == {"t": 2}
    assert source.image_ids() == [COCO[i] for i in (0, 1, 2, 4)]
    assert len(made.val["v"].source) == 3


def test_overlaps_can_be_kept_and_only_counted():
    made = data(Photographs(COCO), Photographs(COCO[:4]), overlap="count")
    assert len(made.train["t"].source) == 6 and made.overlapping == {"t": 4}


def test_episodes_are_drawn_from_all_examples_if_overlaps_are_kept():
    train, val = {"t": Task(Photographs(COCO), support=Shots(3))}, {"v": Task(Photographs(COCO[:4]))}
    made = FrozenData(train, val, overlap="count")
    assert made.train == train and made.overlapping == {"t": 4}
    with pytest.raises(UserError, match="3 shots, but their source has only 2 pairs"):
        FrozenData(train, val)


def test_bare_numbers_of_different_data_sets_are_not_compared():
    made = data(Photographs(["1", "2"]), Photographs(["1", "2"]))
    assert len(made.train["t"].source) == 2 and not made.overlapping


def test_a_source_without_some_examples_keeps_its_shard_sizes():
    whole = Photographs(COCO, [1, 2, 3, 1, 1, 2], shards=[3, 0, 4, 3])
    whole.max_frames = 4
    left = Without(whole, [0, 2, 5])
    assert left.max_frames == 4
    assert left.shard_sizes == [1, 0, 3, 2] and left.pairs == 6
    assert [left.pair(i) for i in range(6)] == [(0, 0), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]
    assert [left[i].image_id for i in range(3)] == ["coco/0", "coco/2", "coco/5"]


@pytest.mark.parametrize("support", [None, Shots(3)], ids=["pairs", "episodes"])
@pytest.mark.parametrize(
    ("ids", "texts", "overlap", "message"),
    [
        (
            COCO,
            1,
            "exclude",
            "validation asks about all of its photographs, so none is left to train on; change the splits, or set "
            "data.overlap to count",
        ),
        (
            [*COCO, "a/7"],
            [1, 2, 1, 1, 1, 1, 0],
            "exclude",
            "validation asks about all of its photographs that have texts, so none is left to train on; change the "
            "splits, or set data.overlap to count",
        ),
        (
            COCO,
            0,
            "exclude",
            "none of its 6 examples has a text to train on; give a source with captions or answers, of photographs "
            "that validation does not ask about",
        ),
        (
            [*COCO, "a/7"],
            0,
            "exclude",
            "none of its 7 examples has a text to train on; give a source with captions or answers",
        ),
        (
            COCO,
            0,
            "count",
            "none of its 6 examples has a text to train on; give a source with captions or answers",
        ),
        (
            ["a/1"],
            [0],
            "count",
            "none of its 1 examples has a text to train on; give a source with captions or answers",
        ),
        ([], 1, "exclude", "its source is empty"),
    ],
    ids=["overlap", "overlap of texts", "both", "some overlap", "no texts", "no overlap", "empty"],
)
def test_a_training_set_without_pairs_is_refused_with_its_cause(ids, texts, overlap, message, support):
    train, val = {"t": Task(Photographs(ids, texts), support=support)}, {"v": Task(Photographs(COCO))}
    made = FrozenData(train, val, overlap=overlap)
    made.trainer = object()  # type: ignore[assignment]
    with pytest.raises(UserError) as error:
        made.train_dataloader()
    assert str(error.value) == f"data.train.t: {message}"


def test_max_unreadable_above_one_is_refused():
    with pytest.raises(UserError, match="max_unreadable is 5; it is a share"):
        data(Photographs(COCO), Photographs(COCO), max_unreadable=5)
