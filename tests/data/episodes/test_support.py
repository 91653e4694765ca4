"""Properties of all support sets: the same seed and position give the same episode."""

from __future__ import annotations

from collections import Counter

import pytest
from few_shot import NAMING, QUESTIONS

from frozenvl.data.episodes.new_words import NewWords
from frozenvl.data.episodes.shots import Shots
from frozenvl.data.sources.scenes import SceneCaptions, SceneObjects
from frozenvl.data.stream import Task, TrainingStream, ValidationPairs
from frozenvl.util.errors import UserError
from frozenvl.wording import VQA


def test_an_episode_is_a_pure_function_of_seed_and_position():
    def made() -> TrainingStream:
        tasks = {
            "captions": Task(SceneCaptions(size=9, resolution=64), support=Shots((0, 3))),
            "questions": Task(QUESTIONS, VQA, weight=2, support=Shots((1, 4))),
            "names": Task(SceneObjects(size=270, resolution=64), NAMING, support=NewWords((2, 3), (1, 2))),
        }
        return TrainingStream(tasks, 7)

    one, other = made(), made()
    expected = [one[position] for position in range(80)]
    assert [other[position] for position in reversed(range(80))][::-1] == expected
    reseeded = TrainingStream({str(place): task for place, task in enumerate(one.tasks)}, 8)
    words = [
        [s.target for s in samples if "object" in s.id]
        for samples in (expected, map(reseeded.__getitem__, range(80)))
    ]
    assert len(words[0]) == 20 and not set(words[0]) & set(words[1])
    kinds = Counter(sample.id.split("/")[2] for sample in expected)
    assert kinds == {"caption": 20, "question": 40, "object": 20}


def test_validation_always_draws_the_same_episodes():
    names = Task(SceneObjects(size=180, resolution=64), NAMING, support=NewWords(2))
    tasks = {"vqa": Task(QUESTIONS, VQA, support=Shots(2)), "names": names}
    one, other = (ValidationPairs(tasks) for _ in range(2))
    samples = [one[place] for place in range(24 + 180)]
    assert samples == [other[place] for place in range(24 + 180)]
    assert all(len({image.name for image in sample.images}) == 3 for sample in samples)
    assert len({sample.target for sample in samples if "object" in sample.id}) > 170
    asked = [sample for sample in samples if "object" not in sample.id]
    assert len({sample.images[:2] for sample in asked}) > 12  # queries have different support sets


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Shots(-1), "shots is -1; it is a number from 0"),
        (lambda: Shots((3, 2)), r"shots is \(3, 2\)"),
        (lambda: NewWords(1), "ways is 1; it is a number from 2"),
        (lambda: NewWords(2, 0), "inner_shots is 0; it is a number from 1"),
        (lambda: Task(QUESTIONS, support=Shots((0, 24))), "24 shots, but their source has only 24 pairs"),
        (lambda: Task(SceneCaptions(size=9), support=NewWords()), "2 ways, but their source has 0 classes"),
        (
            lambda: Task(SceneObjects(size=200), support=NewWords(2, 2)),
            r"class '\w+ \w+' has 2 images, 3 are needed",
        ),
    ],
)
def test_an_impossible_support_set_is_one_error_line(make, message):
    with pytest.raises(UserError, match=message) as error:
        make()
    assert "\n" not in str(error.value)
