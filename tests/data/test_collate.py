"""Unreadable images: replaced in training, left out in evaluation, and always listed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from numbered import Numbered, Numbers, process

from frozenvl.data.collate import ATTEMPTS, TrainingBatches, readable
from frozenvl.data.stream import Task, TrainingStream
from frozenvl.model.batch import Batch
from frozenvl.prompt import Sample
from frozenvl.util.errors import RunError
from frozenvl.video import Video


def batches(broken: Sequence[int]) -> TrainingBatches:
    return TrainingBatches(TrainingStream({"numbers": Task(Numbers(40, broken))}, seed=0), process)


def test_an_unreadable_sample_is_replaced_and_listed():
    whole, some = batches([])(range(40)), batches([3, 17])(range(40))
    assert len(some) == 40 and not whole.unreadable
    assert sorted(key for key, _ in some.unreadable) == ["17#0", "3#0"]
    assert ("3#0", "3.jpg: broken") in some.unreadable
    differing = {a: b for a, b in zip(whole.ids, some.ids, strict=True) if a != b}
    assert differing.keys() == {"3#0", "17#0"} and not differing.keys() & set(differing.values())


def test_a_replacement_does_not_depend_on_how_the_batch_is_divided():
    broken = [3, 17, 25, 26, 31]
    together = batches(broken)(range(40)).ids
    alone = [batches(broken)([position]).ids[0] for position in range(40)]
    pieces = [key for start in (0, 10, 20, 30) for key in batches(broken)(range(start, start + 10)).ids]
    assert list(together) == alone == pieces


def test_a_replacement_that_is_unreadable_too_is_replaced_and_listed_too():
    many = batches(range(0, 40, 2))(range(40))
    assert all(int(key.removesuffix("#0")) % 2 for key in many.ids)
    assert len(many.unreadable) > 20


def test_a_data_set_without_a_readable_image_is_an_error():
    tried: list[str] = []

    def counted(samples: Sequence[Sample]) -> Batch:
        tried.append(samples[0].id)
        return process(samples)

    made = TrainingBatches(batches(range(40)).stream, counted)
    with pytest.raises(
        RunError, match=rf"{ATTEMPTS} samples in turn cannot be read; the last: \d+.jpg: broken"
    ):
        made([0])
    assert len(tried) == 1 + ATTEMPTS


def test_evaluation_leaves_out_unreadable_samples_and_lists_them():
    source = Numbers(5, [1, 4])
    samples = [Task(source).sample(index) for index in range(5)]
    batch = readable(samples, process)
    assert batch.ids == ("0#0", "2#0", "3#0")
    assert dict(batch.unreadable) == {"1#0": "1.jpg: broken", "4#0": "4.jpg: broken"}
    assert len(readable(samples[1:2], process)) == 0


def test_a_sample_with_an_unreadable_frame_is_left_out():
    numbers = [Numbered(number, number == 3) for number in range(6)]
    samples = [
        Sample("a", (Video(numbers[:3]),)),
        Sample("b", (Video(numbers[2:5]), "text")),
        Sample("c", (numbers[5],)),
    ]

    def by_frames(samples: Sequence[Sample]) -> Batch:
        return process([Sample(s.id, tuple(frame for i in s.images for frame in i.frames)) for s in samples])

    batch = readable(samples, by_frames)
    assert batch.ids == ("a", "c") and batch.unreadable == (("b", "3.jpg: broken"),)


def test_a_sample_with_a_clip_that_cannot_be_opened_is_left_out():
    samples = [Sample("a", (Video("none.mp4"),)), Sample("b", (Numbered(1, False),))]
    samples = [sample.with_images(lambda image: image) for sample in samples]

    def by_frames(samples: Sequence[Sample]) -> Batch:
        return process([Sample(s.id, tuple(frame for i in s.images for frame in i.frames)) for s in samples])

    batch = readable(samples, by_frames)
    assert batch.ids == ("b",) and "none.mp4: no such video" in batch.unreadable[0][1]
