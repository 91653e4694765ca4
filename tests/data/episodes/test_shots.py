"""Random demonstrations: other pairs of the source in training, examples of a pool in evaluation."""

from __future__ import annotations

from collections import Counter

import pytest
from few_shot import POOL, QUERIES, QUESTIONS, stream, texts
from numbered import Numbers, process

from frozenvl.data.collate import TrainingBatches
from frozenvl.data.episodes.shots import Shots
from frozenvl.data.sources.scenes import SceneCaptions, SceneQuestions
from frozenvl.data.sources.source import Source
from frozenvl.data.stream import Task, TrainingStream
from frozenvl.evaluation import PerQuestion
from frozenvl.prompt import BlackImage, Example
from frozenvl.util.errors import UserError
from frozenvl.wording import VQA


def test_an_episode_has_its_pair_after_pairs_of_other_images():
    samples = stream(Task(QUESTIONS, VQA, support=Shots(3)))
    by_text = {VQA.prompt(QUESTIONS[i])[1] + f" {QUESTIONS[i].answer}": QUESTIONS[i] for i in range(24)}
    supports = set()
    for sample in samples:
        assert len({image.name for image in sample.images}) == len(sample.images) == 4
        query = QUESTIONS[int(sample.id.partition("#")[0].rpartition("/")[2])]
        assert (sample.images[-1], sample.prompt[-1]) == VQA.prompt(
            query
        ) and sample.target == f" {query.answer}"
        whole = "".join(part for part in sample.prompt if isinstance(part, str)).split("\n")
        assert all(by_text[line].image in sample.images for line in whole[:-1])
        assert texts(sample) == [f" {by_text[line].answer}" for line in whole[:-1]] + [sample.target]
        supports.add(tuple(whole[:-1]))
    assert (
        len({sample.id for sample in samples[:24]}) == 24 and len(supports) > 40
    )  # different ones in each epoch


def test_numbers_of_shots_are_drawn_from_the_range_including_both_ends():
    counts = Counter(len(sample.images) for sample in stream(Task(QUESTIONS, VQA, support=Shots((1, 3)))))
    assert counts.keys() == {2, 3, 4} and min(counts.values()) > 5


def test_the_loss_can_be_limited_to_the_last_answer():
    whole, last = (stream(Task(QUESTIONS, VQA, support=Shots(2, learned))) for learned in ("all", "last"))
    assert all(len(texts(sample)) == 3 for sample in whole)
    assert all(texts(sample) == [sample.target] for sample in last)
    assert all(
        "".join(map(str, s.prompt)) == "".join(map(str, t.prompt)) for s, t in zip(whole, last, strict=True)
    )


def test_shots_use_all_captions_of_their_images():
    source = SceneCaptions(size=5, resolution=64)
    shown = {text for sample in stream(Task(source, support=Shots(4))) for text in texts(sample)[:-1]}
    assert len(shown) > 15 and shown <= {text for index in range(5) for text in source[index].references}


def test_shots_may_use_the_querys_image_but_never_the_query():
    source = SceneQuestions(size=4, resolution=64)
    assert len({source[index].image for index in range(4)}) == 1
    for sample in stream(Task(source, VQA, support=Shots(3, same_image=True))):
        asked = [part for part in sample.prompt if str(part).startswith("Question")]
        assert len(set(asked)) == len(asked) == 4 and len(set(sample.images)) == 1
    with pytest.raises(
        UserError, match=r"3 shots before scenes/train/question/\d, but only 0 others.*same_image"
    ):
        stream(Task(source, VQA, support=Shots(3)))


class ShardedNumbers(Source):
    """Source of ten shards of ten images."""

    shard_sizes = [10] * 10
    window = 2

    def __len__(self) -> int:
        return 100

    def __getitem__(self, index: int) -> Example:
        return Example(str(index), BlackImage(index + 1), str(index), (str(index),))


def test_shots_come_from_the_shards_of_the_current_window():
    shards = TrainingStream({"shards": Task(ShardedNumbers(), support=Shots(4))}, 0)
    for window in range(5):
        found = {int(t) // 10 for p in range(20 * window, 20 * window + 20) for t in texts(shards[p])}
        assert len(found) == 2


def test_an_episode_with_an_unreadable_image_is_replaced_and_listed():
    def batch(broken: list[int], positions=range(40)):
        task = Task(Numbers(40, broken), support=Shots(2))
        return TrainingBatches(TrainingStream({"numbers": task}, 0), process)(positions)

    whole, some = batch([]), batch([3])
    differing = {a: b for a, b in zip(whole.ids, some.ids, strict=True) if a != b}
    assert len(differing) > 1 and "3#0" in differing  # as the query, and as a shot of other queries
    assert {key for key, _ in some.unreadable} >= differing.keys() and not whole.unreadable
    assert {reason for _, reason in some.unreadable} == {"3.jpg: broken"}
    assert tuple(batch([3], [position]).ids[0] for position in range(40)) == some.ids


def test_each_question_and_seed_has_its_own_demonstrations():
    draws = [tuple(e.id for e in PerQuestion().draw(q, POOL, 4, seed)) for q in QUERIES for seed in (0, 1)]
    assert len(set(draws)) == len(draws)


SCENES = SceneQuestions(size=40, resolution=64)


def test_questions_about_one_image_are_no_demonstrations_for_each_other():
    for query in (SCENES[i] for i in range(len(SCENES))):
        shots = PerQuestion().draw(query, SCENES, 8, seed=0)
        assert len({shot.id for shot in shots}) == 8
        assert query.image_id not in {shot.image_id for shot in shots}


def test_a_draw_depends_only_on_the_seed_and_the_query():
    def drawn(shots: int, seed: int) -> list[str]:
        query = SceneQuestions("val", 1, resolution=64)[0]
        return [shot.id for shot in PerQuestion().draw(query, SCENES, shots, seed)]

    assert drawn(4, 0) == drawn(4, 0) != drawn(4, 1)
    assert drawn(2, 0) == drawn(4, 0)[2:] and drawn(0, 0) == []
