"""Captions of clips of a moving object, and questions about them."""

from __future__ import annotations

from random import Random
from typing import Literal, TypeAlias, get_args

from frozenvl.data.scenes.captions import article
from frozenvl.data.scenes.motion import DIRECTIONS, Event, Motion

Ask: TypeAlias = Literal["direction", "stop", "behind"]
ASKS: tuple[Ask, ...] = get_args(Ask)
_ABOUT: dict[Ask, tuple[Event, ...]] = {
    "direction": ("move", "rest", "behind"),
    "stop": ("rest",),
    "behind": ("behind",),
}
"""What is asked → events about which it is asked."""
_WORDINGS = (
    "{a} moves {way}",
    "{a} is moving {way}",
    "there is {a} that moves {way}",
    "a clip of {a} that moves {way}",
    "the clip shows {a}, which moves {way}",
)
MAX_CAPTIONS = len(_WORDINGS)
"""Number of differently worded captions that every clip has."""


def asked_about(event: Event) -> tuple[Ask, ...]:
    """Returns what can be asked about an event."""
    return tuple(ask for ask, events in _ABOUT.items() if event in events)


def captions(motion: Motion, rng: Random, number: int = 1, wordings: int = MAX_CAPTIONS) -> tuple[str, ...]:
    """Makes `number` true captions of a clip, each worded differently: "a red circle moves left and stops".

    Args:
        motion: clip to describe.
        rng: random generator.
        number: number of captions, at most `wordings`.
        wordings: number of sentence templates to choose from, at most `MAX_CAPTIONS`; the plainest come first.
    """
    way = str(motion.direction)
    if motion.event == "rest":
        way = f"{way} and stops" if motion.stops else f"{way} after a rest"
    elif motion.event == "behind":
        first, then = (article(f"{colour} square") for colour in motion.screens)
        way = f"{way} behind {first}, then behind {then}"
    a = article(" ".join(motion.pair))
    return tuple(wording.format(a=a, way=way) for wording in rng.sample(_WORDINGS[:wordings], number))


def question(motion: Motion, ask: Ask) -> tuple[str, str, tuple[str, ...]]:
    """Makes a question about a clip.

    Returns:
        The question, its answer, and the possible answers with the right one first.
    """
    name = " ".join(motion.pair)
    choices: tuple[str, ...] = DIRECTIONS
    answer, text = str(motion.direction), f"Which way does the {name} move?"
    if ask == "stop":
        choices = "yes", "no"
        answer, text = choices[not motion.stops], f"Does the {name} stop?"
    elif ask == "behind":
        choices = tuple(f"{colour} square" for colour in motion.screens)
        answer, text = choices[0], f"What is the {name} behind first?"
    return text, answer, (answer, *(choice for choice in choices if choice != answer))
