import hashlib
import itertools
import math
import pickle
import re
from collections import Counter, defaultdict

import numpy as np
import pytest

from frozenvl.data.scenes.description import COLOURS, HELD_OUT, SEEN, SHAPES
from frozenvl.data.sources.scenes import SceneCaptions, SceneEpisodes, SceneObjects, SceneQuestions
from frozenvl.util.errors import UserError

NUMBERS = {"a": 1, "an": 1, "two": 2, "three": 3, "four": 4}
SIZES = {"small": "small", "little": "small", "large": "large", "big": "large"}
PLURALS = {shape + ("es" if shape == "cross" else "s"): shape for shape in SHAPES} | {s: s for s in SHAPES}
NOUN = "|".join(sorted(PLURALS, key=len, reverse=True))
PHRASE = re.compile(rf"\b(a|an|two|three|four) (?:({'|'.join(SIZES)}) )?({'|'.join(COLOURS)}) ({NOUN})\b")


@pytest.fixture(scope="module")
def questions():
    return {split: list(SceneQuestions(split, size=12000)) for split in ("train", "val", "novel")}


def centre(group):
    return tuple(sum(getattr(t, axis) for t in group.things) / group.count for axis in "xy")


def holds(relation, one, other):
    """Whether a relation is true of two groups, by their coordinates alone."""
    (x1, y1), (x2, y2) = centre(one), centre(other)
    if relation in ("to the left of", "to the right of"):
        return x1 < x2 if relation == "to the left of" else x1 > x2
    return y1 < y2 if relation in ("above", "over") else y1 > y2


def place(group, groups):
    """The place of a group, by the scene's coordinates alone."""
    x, y = centre(group)
    if len(groups) == 4:
        return f"{'top' if y < 0.5 else 'bottom'} {'left' if x < 0.5 else 'right'}"
    if abs(x - 0.5) <= 0.13 and abs(y - 0.5) <= 0.13:
        return "middle"
    if abs(x - 0.5) > abs(y - 0.5):
        return "left" if x < 0.5 else "right"
    return "top" if y < 0.5 else "bottom"


# Determinism


def test_the_same_scenes_everywhere():
    """Descriptions and texts, not pixels: those may differ by a shade between versions of Pillow."""
    captions, questions, episodes = SceneCaptions("val"), SceneQuestions("val"), SceneEpisodes()
    said = [captions[i].references for i in range(50)], [captions[i].image.scene for i in range(50)]
    asked = [(questions[i].question, questions[i].references) for i in range(50)]
    shown = [
        (e.question, e.answer, e.query.scene, e.support[0][1]) for e in map(episodes.__getitem__, range(20))
    ]
    digest = hashlib.sha256(repr((said, asked, shown)).encode()).hexdigest()
    assert digest[:16] == "b5ae719b950a9d32"


def test_any_order_and_any_process_gives_the_same():
    source = SceneQuestions("train", size=100)
    copy = pickle.loads(pickle.dumps(source))
    assert [copy[i] for i in reversed(range(100))] == list(source)[::-1]
    image = source[7].image
    assert np.array_equal(image.read(), pickle.loads(pickle.dumps(image)).read())


def test_equal_digests_mean_equal_pixels():
    captions, questions = (
        SceneCaptions(seed=3, resolution=96),
        SceneQuestions(seed=3, resolution=96, per_image=2),
    )
    one, same, other = captions[5], questions[11], captions[6]
    assert one.image.digest == same.image.digest and one.image_id == same.image_id
    assert np.array_equal(one.image.read(), same.image.read())
    assert other.image.digest != one.image.digest
    assert SceneCaptions(seed=3, resolution=64)[5].image.digest != one.image.digest
    assert SceneCaptions(seed=4, resolution=96)[5].image.digest != one.image.digest


# Images


def test_objects_are_in_the_image_and_apart():
    for split in ("train", "novel"):
        for example in SceneCaptions(split, size=1500):
            things = [thing for group in example.image.scene.groups for thing in group.things]
            for t in things:
                reach = 1.12 * t.diameter / 2
                assert reach <= min(t.x, t.y, 1 - t.x, 1 - t.y)
            for t, u in itertools.combinations(things, 2):
                assert math.dist((t.x, t.y), (u.x, u.y)) > 1.09 * (t.diameter + u.diameter) / 2


def test_places_are_where_they_seem():
    for example in SceneCaptions("val", size=1000):
        groups = example.image.scene.groups
        assert [g.place for g in groups] == [place(g, groups) for g in groups]


def test_an_image_shows_its_colours():
    palette = {"red": (218, 26, 32), "green": (34, 150, 56), "blue": (32, 76, 214), "yellow": (252, 224, 22)}
    seen = 0
    for example in SceneCaptions(size=40, resolution=128):
        image = example.image.read()
        assert image.size == (128, 128) and image.mode == "RGB"
        for group in example.image.scene.groups:
            if group.colour in palette and group.shape not in ("ring", "moon"):
                x, y = (int(128 * value) for value in (group.things[0].x, group.things[0].y))
                shown = np.asarray(image, float)[y - 1 : y + 2, x - 1 : x + 2].mean((0, 1))
                assert np.abs(shown - palette[group.colour]).max() < 20
                seen += 1
    assert seen > 10


# Splits


def test_held_out_combinations_are_one_of_every_colour_and_shape():
    assert {c for c, _ in HELD_OUT} == set(COLOURS) and {s for _, s in HELD_OUT} == set(SHAPES)
    assert len(HELD_OUT) == 10 and not set(HELD_OUT) & set(SEEN) and len(SEEN) == 90


def test_held_out_combinations_are_only_in_novel(questions):
    for split in ("train", "val"):
        scenes = [e.image.scene for e in itertools.chain(questions[split], SceneCaptions(split, size=3000))]
        assert {group.pair for scene in scenes for group in scene.groups} == set(SEEN)
    for example in itertools.chain(questions["novel"], SceneCaptions("novel", size=3000)):
        assert sum(group.pair in HELD_OUT for group in example.image.scene.groups) == 1


def test_train_never_names_a_held_out_combination(questions):
    held_out = re.compile("|".join(rf"{c} {s}|{s}(?:s|es)? {c}\b" for c, s in HELD_OUT))
    assert not any(held_out.search(e.question) for e in questions["train"])
    named = Counter(e.kind["combination"] for e in questions["novel"])
    assert named["held out"] > named["seen"]


def test_splits_share_no_image():
    digests = [
        {e.image.digest for e in SceneCaptions(split, size=1000)} for split in ("train", "val", "novel")
    ]
    assert len(set.union(*digests)) == 3000


# Captions


def test_captions_are_five_and_differ():
    for example in SceneCaptions("val", size=1000):
        assert len(set(example.references)) == 5 and example.targets == example.references
        assert all(4 <= len(caption.split()) <= 24 for caption in example.references)


@pytest.mark.parametrize("split", ["train", "novel"])
def test_captions_are_true(split):
    relations = Counter()
    for example in SceneCaptions(split, size=1000):
        scene = example.image.scene
        groups = {group.pair: group for group in scene.groups}
        for caption in example.references:
            named = []
            for number, size, colour, noun in PHRASE.findall(caption):
                group = groups[colour, PLURALS[noun]]
                assert group.count == NUMBERS[number] and (noun in SHAPES) == (group.count == 1)
                assert not size or SIZES[size] == group.size
                named.append(group)
            assert len(named) == len(groups) == len(set(named))
            assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", caption)
            for relation in ("to the left of", "to the right of", "above", "below", "under", "over"):
                before, found, after = caption.partition(f" {relation} ")
                if found:
                    cut = len(PHRASE.findall(before))
                    assert after and all(
                        holds(relation, one, other) for one in named[:cut] for other in named[cut:]
                    ), caption
                    relations[relation] += 1
            for words in re.findall(r"(?:on|at|in) the (left|right|top|bottom|middle)\b", caption):
                assert any(words in place(group, scene.groups) for group in named)
            if pattern := re.search(r"a (\w+) background", caption):
                assert pattern[1] == scene.background.pattern
            verbs = re.findall(rf"\b(is|are) {PHRASE.pattern}", caption)
            assert all((verb == "is") == (number in ("a", "an")) for verb, number, *_ in verbs)
    assert len(relations) == 6


# Questions


def derive(question, scene):
    """The answer to a question, from its words and the scene's description alone."""
    groups = scene.groups

    def find(words):
        *colour, noun = words.split()
        found = [g for g in groups if g.shape == PLURALS[noun] and (not colour or g.colour == colour[0])]
        assert len(found) == 1, f"{question}: ambiguous"
        return found[0]

    def any_of(words):
        *colour, noun = words.split()
        return [g for g in groups if g.shape == PLURALS[noun] and (not colour or g.colour == colour[0])]

    text = question.rstrip("?")
    if match := re.fullmatch(r"What (color|size) (is|are) the (.+)", text):
        group = find(match[3])
        assert (match[2] == "is") == (group.count == 1)
        return group.colour if match[1] == "color" else group.size
    if match := re.fullmatch(r"What shape (?:is|are) the (\w+) objects?", text):
        (group,) = (g for g in groups if g.colour == match[1])
        return group.shape
    if match := re.fullmatch(r"How many (.+) are there", text):
        return str(find(match[1]).count)
    if match := re.fullmatch(r"(?:Where|Which side|Which corner) (?:is|are) the (.+?)(?: on| in)?", text):
        return place(find(match[1]), groups)
    if match := re.fullmatch(r"Is there anything (\w+)", text):
        return "yes" if any(g.colour == match[1] for g in groups) else "no"
    if match := re.fullmatch(r"(?:Is there an?|Are there any) (.+)", text):
        return "yes" if any_of(match[1]) else "no"
    if match := re.fullmatch(
        r"(?:Is|Are) the (.+) (to the left of|to the right of|above|below) the (.+)", text
    ):
        return "yes" if holds(match[2], find(match[1]), find(match[3])) else "no"
    if match := re.fullmatch(r"Which shape is (to the left of|to the right of|above|below) the (.+)", text):
        (group,) = (g for g in groups if g != find(match[2]) and holds(match[1], g, find(match[2])))
        return group.shape
    match = re.fullmatch(r"(?:Is|Are) the (.+) (\w+)", text)
    return "yes" if find(match[1]).colour == match[2] else "no"


@pytest.mark.parametrize("split", ["train", "val", "novel"])
def test_answers_are_true_and_unambiguous(split, questions):
    for example in questions[split]:
        assert derive(example.question, example.image.scene) == example.answer


def chance(example, split):
    """One in as many answers as the question's words leave open."""
    kind = example.kind["question_type"]
    if example.kind["answer_type"] == "yes/no" or kind.startswith("what size"):
        return 1 / 2
    if kind.startswith("where"):
        return 1 / 5
    if kind.startswith(("how many", "which side", "which corner")):
        return 1 / 4
    # A shape's held-out colour is not seen but in "novel"; no shape is its own neighbour.
    return 1 / 10 if split == "novel" and not kind.startswith("which shape") else 1 / 9


@pytest.mark.parametrize("split", ["train", "val", "novel"])
def test_a_blind_model_gains_nothing(split, questions):
    """The best guess for every exact wording, learnt on one half, is at chance on the other."""
    guesses, half = defaultdict(Counter), len(questions[split]) // 2
    for example in questions[split][:half]:
        guesses[example.question][example.answer] += 1
    trials = defaultdict(list)
    for example in questions[split][half:]:
        if guesses[example.question]:
            best = guesses[example.question].most_common(1)[0][0]
            trials[example.kind["question_type"]].append((best == example.answer, chance(example, split)))
    assert len(trials) == 18
    for kind, outcomes in [*trials.items(), ("all", list(itertools.chain(*trials.values())))]:
        hits, guessed = np.array(outcomes, float).T.mean(1)
        assert hits < guessed + 3.5 * math.sqrt(guessed / len(outcomes)), kind


@pytest.mark.parametrize("split", ["train", "val", "novel"])
def test_answers_are_balanced_within_each_question_type(split, questions):
    counts = defaultdict(Counter)
    for example in questions[split]:
        counts[example.kind["question_type"]][example.answer] += 1
    for kind, answers in counts.items():
        expected = answers.total() / len(answers)
        assert all(abs(n - expected) < 4.5 * math.sqrt(expected) for n in answers.values()), (kind, answers)
        if kind == "how many":
            assert set(answers) == {"1", "2", "3", "4"}


def test_ten_annotators_mostly_agree(questions):
    for example in questions["train"][:3000]:
        votes = Counter(example.references)
        assert votes.total() == 10 and votes[example.answer] >= 7
        assert example.targets == (example.answer,)
        assert example.answer == example.answer.lower() and len(example.answer.split()) <= 2
        assert example.question.lower().startswith(example.kind["question_type"])
        number, binary = example.answer.isdigit(), example.answer in ("yes", "no")
        assert example.kind["answer_type"] == ("number" if number else "yes/no" if binary else "other")
    assert any(len(set(example.references)) > 1 for example in questions["train"][:100])


def test_the_questions_about_an_image_differ():
    examples = list(SceneQuestions("val", size=3000, per_image=6))
    for i in range(0, 3000, 6):
        group = examples[i : i + 6]
        assert len({e.image_id for e in group}) == 1 and len({e.question for e in group}) == 6
    assert len({e.id for e in examples}) == 3000 and len({e.image_id for e in examples}) == 500


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


# As a source


@pytest.mark.parametrize(("split", "classes"), [("train", SEEN), ("novel", HELD_OUT)])
def test_objects_stand_alone_and_are_named_by_their_combination(split, classes):
    source = SceneObjects(split, size=len(classes) * 2)
    examples = [source[index] for index in range(len(source))]
    for example in examples:
        (group,) = example.image.scene.groups
        assert group.count == 1 and " ".join(group.pair) == example.answer
    assert Counter(example.answer for example in examples) == {" ".join(pair): 2 for pair in classes}
    assert len({example.image.digest for example in examples}) == len(examples)


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
        (lambda: SceneEpisodes(size=0), "at least 1"),
        (lambda: SceneEpisodes(ways=1), "2 to 10"),
        (lambda: SceneEpisodes(ways=11), "2 to 10"),
        (lambda: SceneEpisodes(inner_shots=0), "at least 1"),
        (lambda: SceneEpisodes(resolution=0), "at least 32"),
    ],
)
def test_a_bad_argument_is_one_clear_line(make, allowed):
    with pytest.raises(UserError) as error:
        make()
    assert allowed in str(error.value) and "\n" not in str(error.value)
