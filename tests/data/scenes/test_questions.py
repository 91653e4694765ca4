"""Questions about scenes."""

import itertools
import math
import re
from collections import Counter, defaultdict

import numpy as np
import pytest
from scene_words import PLURALS, holds, place

from frozenvl.data.sources.scenes import SceneQuestions


def derive(question, scene):
    """Returns the answer to a question, from its words and the scene's description."""
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
    """Returns one over the number of answers that the wording of a question allows."""
    kind = example.kind["question_type"]
    if example.kind["answer_type"] == "yes/no" or kind.startswith("what size"):
        return 1 / 2
    if kind.startswith("where"):
        return 1 / 5
    if kind.startswith(("how many", "which side", "which corner")):
        return 1 / 4
    # The held-out colour of a shape is only in "novel"; no shape is its own neighbour.
    return 1 / 10 if split == "novel" and not kind.startswith("which shape") else 1 / 9


@pytest.mark.parametrize("split", ["train", "val", "novel"])
def test_a_blind_model_is_at_chance(split, questions):
    """The most frequent answer to each exact question in one half is at chance in the other half."""
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


def test_most_of_the_ten_annotators_agree(questions):
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
