"""Scenes as sources: determinism, disjoint splits, episodes."""

import hashlib
import itertools
import pickle
import re
from collections import Counter, defaultdict

import numpy as np
import pytest

from frozenvl.data.scenes.description import HELD_OUT, SEEN
from frozenvl.data.sources.scenes import SceneCaptions, SceneEpisodes, SceneObjects, SceneQuestions
from frozenvl.util.errors import UserError

# Determinism


def test_scenes_never_change():
    """Compares descriptions and texts; pixels may differ slightly between versions of Pillow."""
    captions, questions, episodes = SceneCaptions("val"), SceneQuestions("val"), SceneEpisodes()
    described = [captions[i].references for i in range(50)], [captions[i].image.scene for i in range(50)]
    asked = [(questions[i].question, questions[i].references) for i in range(50)]
    shown = [
        (e.question, e.answer, e.query.scene, e.support[0][1]) for e in map(episodes.__getitem__, range(20))
    ]
    digest = hashlib.sha256(repr((described, asked, shown)).encode()).hexdigest()
    assert digest[:16] == "b5ae719b950a9d32"


def test_examples_do_not_depend_on_order_or_process():
    source = SceneQuestions("train", size=100)
    copy = pickle.loads(pickle.dumps(source))
    assert [copy[i] for i in reversed(range(100))] == list(source)[::-1]
    image = source[7].image
    assert np.array_equal(image.read(), pickle.loads(pickle.dumps(image)).read())


# Splits


def test_held_out_combinations_are_only_in_the_novel_split(questions):
    for split in ("train", "val"):
        scenes = [e.image.scene for e in itertools.chain(questions[split], SceneCaptions(split, size=3000))]
        assert {group.pair for scene in scenes for group in scene.groups} == set(SEEN)
    for example in itertools.chain(questions["novel"], SceneCaptions("novel", size=3000)):
        assert sum(group.pair in HELD_OUT for group in example.image.scene.groups) == 1


def test_training_questions_never_name_a_held_out_combination(questions):
    held_out = re.compile("|".join(rf"{c} {s}|{s}(?:s|es)? {c}\b" for c, s in HELD_OUT))
    assert not any(held_out.search(e.question) for e in questions["train"])
    named = Counter(e.kind["combination"] for e in questions["novel"])
    assert named["held out"] > named["seen"]


def test_splits_share_no_image():
    digests = [
        {e.image.digest for e in SceneCaptions(split, size=1000)} for split in ("train", "val", "novel")
    ]
    assert len(set.union(*digests)) == 3000


# Episodes


def test_episodes_bind_new_words_to_held_out_combinations():
    answers = Counter()
    for episode in SceneEpisodes(size=600, ways=2, inner_shots=3):
        meanings = defaultdict(set)
        for image, caption in episode.support:
            (group,) = image.scene.groups
            assert group.count == 1 and group.pair in HELD_OUT
            meanings[caption.removeprefix(f"{episode.question} ")].add(group.pair)
        assert set(meanings) == set(episode.choices) and len(episode.choices) == 2
        assert len(set.union(*meanings.values())) == 2 and all(len(pairs) == 1 for pairs in meanings.values())
        assert {episode.query.scene.groups[0].pair} == meanings[episode.answer]
        images = [*(image for image, _ in episode.support), episode.query]
        assert len({image.digest for image in images}) == len({image.name for image in images}) == 7
        assert Counter(caption for _, caption in episode.support).most_common(1)[0][1] == 3
        answers["last" if episode.support[-1][1].endswith(episode.answer) else "other"] += 1
    assert abs(answers["last"] - 300) < 60


def test_episodes_are_the_same_in_any_order_and_process():
    episodes = SceneEpisodes(size=20)
    copy = pickle.loads(pickle.dumps(episodes))
    assert [copy[i] for i in reversed(range(20))] == list(episodes)[::-1]


# Simpler scenes

SIMPLE = {"max_groups": 2, "max_count": 1, "sizes": ["large"]}


def test_limits_hold_and_captions_name_no_size_where_there_is_one():
    captions = SceneCaptions(size=300, **SIMPLE, per_image=2)
    scenes = [example.image.scene for example in captions]
    assert Counter(len(scene.groups) for scene in scenes).keys() == {1, 2}
    assert all(group.count == 1 and group.size == "large" for scene in scenes for group in scene.groups)
    texts = [text for example in captions for text in example.references]
    assert len(texts) == 600
    assert not re.search(r"\b(small|little|large|big|two|three|four)\b", " ".join(texts))


def test_captions_of_one_wording_are_worded_alike():
    captions = SceneCaptions(size=200, **SIMPLE, per_image=1, wordings=1)
    for example in captions:
        (text,), groups = example.references, example.image.scene.groups
        objects = [
            f"{'an' if group.colour == 'orange' else 'a'} {group.colour} {group.shape}" for group in groups
        ]
        if len(groups) == 2:
            between = "above" if groups[0].place == "top" else "to the left of"
            assert text == f"{objects[0]} {between} {objects[1]}"
        else:
            assert text.startswith(f"{objects[0]} ") and text.endswith(groups[0].place)


def test_captions_and_questions_of_the_same_limits_are_about_the_same_scenes():
    captions, questions = SceneCaptions(size=40, **SIMPLE), SceneQuestions(size=160, **SIMPLE)
    assert [questions[4 * i].image for i in range(40)] == [captions[i].image for i in range(40)]
    assert SceneCaptions(size=40)[7].image.digest != captions[7].image.digest


def test_nothing_is_asked_that_has_one_possible_answer():
    questions = SceneQuestions(size=1200, **SIMPLE)
    kinds = {example.kind["question_type"] for example in questions}
    assert "how many" not in kinds and not any(kind.startswith("what size") for kind in kinds)
    for first in range(0, 1200, 4):  # four different kinds for every image
        assert len({questions[first + number].question for number in range(4)}) == 4
    answers = defaultdict(Counter)
    for example in questions:
        answers[example.kind["question_type"].split(" the")[0]][example.answer] += 1
    assert len(answers["what color is"]) == len(answers["what shape is"]) == 10
    assert max(answers["what color is"].values()) < 0.25 * answers["what color is"].total()


# As a source


@pytest.mark.parametrize(("split", "classes"), [("train", SEEN), ("novel", HELD_OUT)])
def test_each_image_of_objects_has_one_object_and_its_name(split, classes):
    source = SceneObjects(split, size=len(classes) * 2)
    examples = [source[index] for index in range(len(source))]
    for example in examples:
        (group,) = example.image.scene.groups
        assert group.count == 1 and " ".join(group.pair) == example.answer
    assert Counter(example.answer for example in examples) == {" ".join(pair): 2 for pair in classes}
    assert len({example.image.digest for example in examples}) == len(examples)


def test_a_question_has_the_box_of_the_object_that_it_asks_about():
    asked = SceneQuestions("val", size=400, max_groups=2, max_count=1)
    seen = Counter()
    for example in asked:
        things = {group.pair: group.things for group in example.image.scene.groups}
        if not example.boxes:  # only absent objects have none
            assert example.answer == "no" and example.kind["answer_type"] == "yes/no"
            continue
        ((left, top, right, bottom),) = example.boxes
        inside = [pair for pair, (one,) in things.items() if left < one.x < right and top < one.y < bottom]
        kind = example.kind["question_type"]
        if kind == "what color is the":
            assert inside == [(example.answer, example.question.rstrip("?").split()[-1])]
        elif kind == "what shape is the":
            assert inside == [(example.question.split()[-2], example.answer)]
        seen[kind] += 1
    assert seen["what color is the"] > 30 and seen["what shape is the"] > 30
    assert all(len(example.boxes) == 1 for example in SceneObjects("novel", size=12))


def test_counts_of_examples_and_pairs():
    captions, questions = SceneCaptions(size=12), SceneQuestions(size=12)
    assert len(captions) == 12 and captions.pairs == 60 and captions.pair(59) == (11, 4)
    assert len(questions) == questions.pairs == 12
    assert captions[11].id == "scenes/train/caption/11" and questions[11].id == "scenes/train/question/11"


@pytest.mark.parametrize("index", [-1, 12])
@pytest.mark.parametrize("source", [SceneCaptions, SceneQuestions, SceneObjects, SceneEpisodes])
def test_an_index_out_of_range_is_an_index_error(source, index):
    with pytest.raises(IndexError):
        source(size=12)[index]


@pytest.mark.parametrize(
    ("make", "allowed"),
    [
        (lambda: SceneCaptions("training"), "train, val, novel"),
        (lambda: SceneQuestions("test"), "train, val, novel"),
        (lambda: SceneCaptions(size=0), "at least 1"),
        (lambda: SceneCaptions(resolution=8), "at least 32"),
        (lambda: SceneQuestions(per_image=7), "1 to 6"),
        (lambda: SceneQuestions(per_image=5, max_count=1, sizes=["large"]), "1 to 4"),
        (lambda: SceneQuestions(max_groups=5), "1 to 4"),
        (lambda: SceneCaptions(max_groups=0), "1 to 4"),
        (lambda: SceneCaptions(max_count=5), "1 to 4"),
        (lambda: SceneCaptions(sizes=["huge"]), "small, large"),
        (lambda: SceneCaptions(sizes=[]), "small, large"),
        (lambda: SceneCaptions(per_image=8), "1 to 7"),
        (lambda: SceneCaptions(per_image=2, wordings=1), "1 to 1, the number of wordings"),
        (lambda: SceneCaptions(wordings=8), "1 to 7"),
        (lambda: SceneEpisodes(size=0), "at least 1"),
        (lambda: SceneEpisodes(ways=1), "2 to 10"),
        (lambda: SceneEpisodes(ways=11), "2 to 10"),
        (lambda: SceneEpisodes(inner_shots=0), "at least 1"),
        (lambda: SceneEpisodes(resolution=0), "at least 32"),
    ],
)
def test_a_bad_argument_is_one_error_line(make, allowed):
    with pytest.raises(UserError) as error:
        make()
    assert allowed in str(error.value) and "\n" not in str(error.value)
