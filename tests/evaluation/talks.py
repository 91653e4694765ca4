"""Conversations for tests of dialogue."""

from __future__ import annotations

from dataclasses import replace

from toy import Rows, Square

from frozenvl.prompt import NO_IMAGE, Example, Turn

REPLIES = ("yes", "no", "red", "blue", "a large red circle", "two", "3", "stars", "a child", "pink")


def talk(key: str, *pairs: tuple[str, str], **more) -> Example:
    """Makes a conversation about an image of its own; the image stands in front of the first message."""
    image = Square(f"{key}.png", (37 * len(key) % 256, sum(key.encode()) % 256, 9))
    turns = [Turn((question,), reply, f"{key}/{n}") for n, (question, reply) in enumerate(pairs, start=1)]
    turns[0] = replace(turns[0], message=(image, *turns[0].message))
    return Example(key, image, f"image {key}", turns=tuple(turns), **more)


def optioned(example: Example, *choices: str, relevance: tuple[float, ...] = ()) -> Example:
    """Gives every round of a conversation the same candidates, and the last one their relevance."""
    turns = [
        replace(turn, choices=choices, correct=choices.index(turn.reply) if turn.reply in choices else -1)
        for turn in example.turns
    ]
    turns[-1] = replace(turns[-1], relevance=relevance)
    return replace(example, turns=tuple(turns))


TALK = talk("7", ("Is it red?", "yes"), ("Is it large?", "no"), ("What is it?", "a child"))
TEXTS = Example(
    "text", NO_IMAGE, "text", turns=(Turn(("Say 3.",), "3", "text/1"), Turn(("Again?",), "3", "text/2"))
)
"""A conversation without an image."""
POOL = Rows(
    *(
        talk(f"p{n}", ("Is it so?", REPLIES[n % 3]), ("what colour is it?", REPLIES[n]))
        for n in range(len(REPLIES))
    )
)
"""Twenty answers: three are frequent."""
