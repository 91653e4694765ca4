"""Texts about clips of a moving object."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from frozenvl.data.scenes.description import SEEN, arrange
from frozenvl.data.scenes.motion import DIRECTIONS, EVENTS, look, move
from frozenvl.data.scenes.motion_texts import MAX_CAPTIONS, asked_about, captions, question


def drawn(event, seed):
    rng = random.Random(seed)
    return move(look(arrange([rng.choice(SEEN)], rng, max_count=1)), rng, event, 8)


@pytest.mark.parametrize("event", EVENTS)
def test_captions_say_what_happens(event):
    for seed in range(30):
        clip = drawn(event, seed)
        texts = captions(clip, random.Random(seed), MAX_CAPTIONS)
        assert len(set(texts)) == MAX_CAPTIONS
        for text in texts:
            assert " ".join(clip.pair) in text
            assert {way for way in DIRECTIONS if way in text.split()} == {clip.direction}
            assert ("stops" in text, "after a rest" in text) == (
                clip.stops,
                event == "rest" and not clip.stops,
            )
            squares = [word for word in text.split() if word in clip.screens]
            assert tuple(squares) == clip.screens


def test_the_plainest_wordings_come_first():
    clip = drawn("move", 1)
    (text,) = captions(clip, random.Random(0), 1, wordings=1)
    colour, shape = clip.pair
    assert text == f"{'an' if colour[0] in 'aeiou' else 'a'} {colour} {shape} moves {clip.direction}"


def test_only_what_an_event_can_answer_is_asked():
    asked = {event: asked_about(event) for event in EVENTS}
    assert asked == {
        "move": ("direction",),
        "rest": ("direction", "stop"),
        "behind": ("direction", "behind"),
    }


def test_answers_are_true_and_stand_first_among_the_choices():
    for seed in range(30):
        clip = drawn("behind", seed)
        name = " ".join(clip.pair)
        text, answer, choices = question(clip, "direction")
        assert (text, answer) == (f"Which way does the {name} move?", clip.direction)
        assert choices[0] == answer and set(choices) == set(DIRECTIONS)
        text, answer, choices = question(clip, "behind")
        assert (
            answer == choices[0] == f"{clip.screens[0]} square" and choices[1] == f"{clip.screens[1]} square"
        )
        resting = drawn("rest", seed)
        text, answer, choices = question(resting, "stop")
        assert answer == ("yes" if resting.stops else "no") and set(choices) == {"yes", "no"}
        assert text == f"Does the {' '.join(resting.pair)} stop?"


def test_the_text_of_a_question_does_not_tell_the_answer():
    answers = Counter(question(drawn("rest", seed), "stop")[1] for seed in range(600))
    assert min(answers.values()) > 240
