"""Tasks and their mixture."""

from __future__ import annotations

from collections import Counter

import pytest

from frozenvl.data.sources.scenes import SceneCaptions, SceneQuestions
from frozenvl.data.sources.source import Source
from frozenvl.data.stream import Task, TrainingStream, ValidationPairs
from frozenvl.prompt import BlackImage, Example
from frozenvl.util.errors import UserError
from frozenvl.video import Sampling, Video
from frozenvl.wording import VQA

CAPTIONS = Task(SceneCaptions(size=4, resolution=64))
QUESTIONS = Task(SceneQuestions(size=9, resolution=64), VQA, weight=3)


class Uneven(Source):
    """Source of three images with one, three and two texts."""

    targets_per_example = (1, 3, 2)

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Example:
        texts = tuple(f"text {index}{n}" for n in range(self.targets_per_example[index]))
        return Example(str(index), BlackImage(), str(index), texts)


def test_each_image_has_a_pair_per_text():
    source = Uneven()
    assert [source.pair(i) for i in range(source.pairs)] == [(0, 0), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]
    assert [Task(source).sample(i).target for i in range(6)] == [
        "text 00", "text 10", "text 11", "text 12", "text 20", "text 21",
    ]  # fmt: skip


def test_a_stream_mixes_tasks_by_weight_with_their_own_wording():
    stream = TrainingStream({"captions": CAPTIONS, "vqa": QUESTIONS}, seed=0)
    samples = [stream[p] for p in range(20 * 4)]
    kinds = Counter(sample.id.split("/")[2] for sample in samples)
    assert kinds == {"caption": 20, "question": 60}
    assert {s.id for s in samples if "caption" in s.id} == {
        f"scenes/train/caption/{i}#{n}" for i in range(4) for n in range(5)
    }
    assert all(("Question:" in str(s.prompt)) == ("question" in s.id) for s in samples)


class InShards(Uneven):
    """Source of 40 images in eight shards, which notes the shards that are announced."""

    targets_per_example = 1
    shard_sizes = (5,) * 8

    def __init__(self) -> None:
        self.announced: list[list[int]] = []

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> Example:
        return Example(str(index), BlackImage(), str(index), ("text",))

    def prefetch(self, shards) -> None:
        self.announced.append(list(shards))


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_announces_the_shards_of_its_lanes_once_a_window(rank):
    source = InShards()
    stream = TrainingStream({"captions": Task(source)}, seed=0, lanes=4)
    read = []
    for start in range(0, 80, 8):
        positions = stream.order.split(range(start, start + 8), rank, 2)
        read += [int(stream[position].id.split("#")[0]) for position in positions]
    own = range(4 * rank, 4 * rank + 4)
    assert {index // 5 for index in read} == {*own} and len(set(read[:20])) == 20
    assert {shard for shards in source.announced for shard in shards} == {*own}
    assert len(source.announced) == 2 * 2 * 2  # two lanes, two windows of one shard, two epochs


class Photographs(Uneven):
    """The same with the first and the last example about one photograph."""

    def image_ids(self) -> list[str]:
        return ["a", "b", "a"]


def test_texts_of_an_image_stand_together():
    for source, groups in ((Uneven(), [[0], [1, 2, 3], [4, 5]]), (Photographs(), [[0, 4, 5], [1, 2, 3]])):
        stream = TrainingStream({"captions": Task(source)}, seed=0, by_image=True)
        for start in (0, 6, 12):
            ids = [stream[start + turn].id for turn in range(6)]
            assert len({*ids}) == 6
            for group in groups:
                own = [ids.index(f"{example}#{target}") for example, target in map(source.pair, group)]
                assert own == list(range(own[0], own[0] + len(own)))


def test_a_task_names_the_objectives_that_train_on_it():
    for wanted, found in ((None, None), (["contrastive"], ("contrastive",))):
        stream = TrainingStream({"captions": Task(Uneven(), objectives=wanted)}, seed=0)
        assert {stream[turn].objectives for turn in range(6)} == {found}


def test_validation_pairs_hold_each_pair_once():
    pairs = ValidationPairs({"captions": CAPTIONS, "vqa": QUESTIONS})
    ids = [pairs[p].id for p in range(len(pairs))]
    assert len(pairs) == len(set(ids)) == 4 * 5 + 9
    assert ids != sorted(ids)


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({}, "data.train is empty"),
        ({"a": Task(Uneven(), weight=0)}, r"data.train.a.weight is 0"),
    ],
)
def test_a_bad_mixture_is_refused(tasks, message):
    with pytest.raises(UserError, match=message):
        TrainingStream(tasks, seed=0)


@pytest.mark.parametrize(
    ("lanes", "tasks", "message"),
    [
        (0, {"a": Task(InShards())}, r"data.lanes is 0; it must be at least 1"),
        (
            9,
            {"a": Task(InShards())},
            r"data.lanes is 9, but data.train.a has only 8 shards; lower it to 8 or less",
        ),
        (
            2,
            {"a": Task(Uneven())},
            r"data.lanes is 2, but no data set of data.train is in several shards; leave it",
        ),
    ],
)
def test_lanes_that_fit_no_shards_are_refused(lanes, tasks, message):
    with pytest.raises(UserError, match=message):
        TrainingStream(tasks, seed=0, lanes=lanes)
    TrainingStream({"a": Task(InShards()), "b": Task(Uneven())}, seed=0, lanes=8)


class Clips(Source):
    """Source of two videos of 40 frames, of which four are drawn at random."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Example:
        frames = [BlackImage(size, f"{index} {size}") for size in range(1, 41)]
        return Example(str(index), Video(frames, Sampling("random", 4)), str(index), ("text",))


def test_frames_are_drawn_by_position_in_training_and_are_the_middles_in_validation():
    tasks = {"clips": Task(Clips())}
    frames = lambda sample: [frame.name for frame in sample.images[0].frames]
    stream, again, other = (TrainingStream(tasks, seed) for seed in (0, 0, 1))
    drawn = [frames(stream[position]) for position in range(12)]
    assert drawn == [frames(again[position]) for position in reversed(range(12))][::-1]
    assert len({*map(tuple, drawn)}) == 12 and drawn != [frames(other[position]) for position in range(12)]
    for row in drawn:
        assert [(int(name.split()[1]) - 1) // 10 for name in row] == [0, 1, 2, 3]
    assert frames(stream.attempt(3, 1)) != frames(stream[3])
    middles = [f"{index} {size}" for index in range(2) for size in (6, 16, 26, 36)]
    assert sorted(name for sample in ValidationPairs(tasks) for name in frames(sample)) == sorted(middles)
