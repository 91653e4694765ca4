"""The support of training episodes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import PIL.Image
import pytest
from numbered import Numbers, process

from frozenvl.data.collate import TrainingBatches
from frozenvl.data.episodes.new_words import NewWords, new_words
from frozenvl.data.episodes.shots import Shots
from frozenvl.data.sources.labelled import LabelledImages
from frozenvl.data.sources.scenes import SceneCaptions, SceneObjects, SceneQuestions
from frozenvl.data.sources.source import Source
from frozenvl.data.stream import Task, TrainingStream, ValidationPairs
from frozenvl.prompt import BlackImage, Example, Learned, Sample
from frozenvl.util.errors import UserError
from frozenvl.wording import NEW_WORDS, VQA, Template

QUESTIONS = SceneQuestions(size=24, resolution=64)  # four to each of six images
NAMING = Template("{image}This is a", " {target}")


def texts(sample: Sample) -> list[str]:
    """What is learned of a sample."""
    return [part for part in sample.prompt if isinstance(part, Learned)] + [sample.target]


def stream(task: Task, seed: int = 0) -> list[Sample]:
    made = TrainingStream({"episodes": task}, seed)
    return [made[position] for position in range(48)]


def test_an_episode_asks_its_pair_after_others_about_other_images():
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
    assert len({sample.id for sample in samples[:24]}) == 24 and len(supports) > 40  # each epoch other ones


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


def test_numbers_of_shots_are_drawn_from_the_range_both_ends_included():
    counts = Counter(len(sample.images) for sample in stream(Task(QUESTIONS, VQA, support=Shots((1, 3)))))
    assert counts.keys() == {2, 3, 4} and min(counts.values()) > 5


def test_loss_may_be_on_the_last_answer_alone():
    whole, last = (stream(Task(QUESTIONS, VQA, support=Shots(2, learned))) for learned in ("all", "last"))
    assert all(len(texts(sample)) == 3 for sample in whole)
    assert all(texts(sample) == [sample.target] for sample in last)
    assert all(
        "".join(map(str, s.prompt)) == "".join(map(str, t.prompt)) for s, t in zip(whole, last, strict=True)
    )


def test_captions_of_other_images_are_any_of_theirs():
    source = SceneCaptions(size=5, resolution=64)
    shown = {text for sample in stream(Task(source, support=Shots(4))) for text in texts(sample)[:-1]}
    assert len(shown) > 15 and shown <= {text for index in range(5) for text in source[index].references}


def test_the_querys_image_may_stand_among_the_shots_but_never_the_query():
    source = SceneQuestions(size=4, resolution=64)
    assert len({source[index].image for index in range(4)}) == 1
    for sample in stream(Task(source, VQA, support=Shots(3, same_image=True))):
        asked = [part for part in sample.prompt if str(part).startswith("Question")]
        assert len(set(asked)) == len(asked) == 4 and len(set(sample.images)) == 1
    with pytest.raises(
        UserError, match=r"3 shots before scenes/train/question/\d, but only 0 others.*same_image"
    ):
        stream(Task(source, VQA, support=Shots(3)))


class Stretches(Source):
    """Ten shards of ten images."""

    shard_sizes = [10] * 10
    window = 2

    def __len__(self) -> int:
        return 100

    def __getitem__(self, index: int) -> Example:
        return Example(str(index), BlackImage(index + 1), str(index), (str(index),))


def test_shots_come_from_the_shards_that_are_at_hand():
    shards = TrainingStream({"shards": Task(Stretches(), support=Shots(4))}, 0)
    for window in range(5):
        found = {int(t) // 10 for p in range(20 * window, 20 * window + 20) for t in texts(shards[p])}
        assert len(found) == 2


def test_an_episode_with_an_unreadable_image_is_replaced_and_listed():
    def batch(broken: list[int], positions=range(40)):
        task = Task(Numbers(40, broken), support=Shots(2))
        return TrainingBatches(TrainingStream({"numbers": task}, 0), process)(positions)

    whole, some = batch([]), batch([3])
    differing = {a: b for a, b in zip(whole.ids, some.ids, strict=True) if a != b}
    assert len(differing) > 1 and "3#0" in differing  # as the query, and among the shots of others
    assert {key for key, _ in some.unreadable} >= differing.keys() and not whole.unreadable
    assert {reason for _, reason in some.unreadable} == {"3.jpg: broken"}
    assert tuple(batch([3], [position]).ids[0] for position in range(40)) == some.ids


def test_new_words_stand_for_classes_within_an_episode():
    source = SceneObjects(size=270, resolution=64)
    class_of = {source[index].image: source[index].answer for index in range(270)}
    sizes, words, places = Counter(), set(), Counter()
    for sample in stream(Task(source, NAMING, support=NewWords((2, 3), (1, 2)))):
        said = [
            line.removeprefix("This is a ")
            for line in "".join(map(str, filter(lambda part: isinstance(part, str), sample.prompt))).split(
                "\n"
            )
        ]
        named = [*said[:-1], sample.target.strip()]
        classes = [class_of[image] for image in sample.images]
        pairs = set(zip(named, classes, strict=True))
        assert len(pairs) == len(set(named)) == len(set(classes))  # one word a class, one class a word
        assert len(set(sample.images)) == len(named)
        shots = Counter(classes[:-1])
        assert classes[-1] in shots and len(set(shots.values())) == 1
        # A word's first is told by nothing that stands before it.
        assert [word.strip() for word in texts(sample)[:-1]] == [
            word for place, word in enumerate(said[:-1]) if word in said[:place]
        ]
        sizes[len(shots), shots[classes[-1]]] += 1
        words |= set(named)
        places[classes.index(classes[-1])] += 1
    assert sizes.keys() == {(2, 1), (2, 2), (3, 1), (3, 2)} and len(words) > 80 and len(places) > 2
    assert not words & set(class_of.values())
    every = Task(SceneObjects("novel", 20, resolution=64), NAMING, support=NewWords(10))
    assert all(len({part for part in s.prompt if "This" in str(part)}) == 11 for s in stream(every))
    last = Task(source, NAMING, support=NewWords(2, 2, "last"))
    assert all(texts(sample) == [sample.target] for sample in stream(last))


def test_a_query_without_a_class_is_one_line():
    class Partly(SceneObjects):
        def __getitem__(self, index: int) -> Example:
            example = super().__getitem__(index)
            return example if index else replace(example, answer="")

    task = Task(Partly(size=270, resolution=64), NAMING, support=NewWords())
    task.sample(1)
    with pytest.raises(UserError, match=r"object/0 has no class"):
        task.sample(0)


def test_new_words_differ_and_are_none_of_those_that_evaluations_ask_with():
    words = new_words(Random(0), 2000)
    assert len(set(words)) == 2000 and not set(words) & set(NEW_WORDS)
    assert {len(word) for word in words} == {6} and words == new_words(Random(0), 2000)


def test_validation_draws_the_same_every_time():
    names = Task(SceneObjects(size=180, resolution=64), NAMING, support=NewWords(2))
    tasks = {"vqa": Task(QUESTIONS, VQA, support=Shots(2)), "names": names}
    one, other = (ValidationPairs(tasks) for _ in range(2))
    samples = [one[place] for place in range(24 + 180)]
    assert samples == [other[place] for place in range(24 + 180)]
    assert all(len({image.name for image in sample.images}) == 3 for sample in samples)
    assert len({sample.target for sample in samples if "object" in sample.id}) > 170
    asked = [sample for sample in samples if "object" not in sample.id]
    assert len({sample.images[:2] for sample in asked}) > 12  # no support that most of them share


def test_what_stands_in_for_an_episode_draws_anew():
    made = TrainingStream({"names": Task(SceneObjects(size=180), NAMING, support=NewWords())}, 0)
    assert len({made.attempt(0, attempt).target for attempt in range(4)}) == 4


def test_labelled_images_are_named_by_their_folder(tmp_path):
    for label, count in {"cat": 2, "electric_ray": 3, "lonely": 1}.items():
        (tmp_path / label).mkdir()
        for number in range(count):
            PIL.Image.new("RGB", (9, 9)).save(tmp_path / label / f"{number}.png")
    for name in ("without a label.png", "without one, too.png"):
        PIL.Image.new("RGB", (9, 9)).save(tmp_path / name)
    source = LabelledImages(str(tmp_path))
    assert [source[i].answer for i in range(len(source))] == ["cat"] * 2 + ["electric ray"] * 3
    assert source.pairs == 5 and source.image_ids() == [source[i].image_id for i in range(5)]
    assert NAMING.sample(source[4]).target == " electric ray" and source[4].image.name == "2.png"
    assert len(LabelledImages(str(tmp_path), at_least=3)) == 3
    with pytest.raises(UserError, match="none of its subfolders holds 4 images"):
        LabelledImages(str(tmp_path), at_least=4)


@pytest.mark.parametrize(
    ("make", "said"),
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
def test_a_support_that_cannot_be_is_one_line(make, said):
    with pytest.raises(UserError, match=said) as error:
        make()
    assert "\n" not in str(error.value)
