"""Questions about rendered scenes, and ten simulated annotators' answers to each.

The text of a question says nothing about its answer, and answers are uniform: a model that does not see the image
can only guess. Comments below say how this is ensured where it is not obvious.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import islice
from random import Random

from frozenvl.data.scenes.captions import article, plural
from frozenvl.data.scenes.description import COLOURS, HELD_OUT, SEEN, SHAPES, Group, Pair, Scene

MAX_QUESTIONS = 6
"""Number of questions that every scene supports without repeating a kind. Each kind that is left out takes one."""

# Majority answer → answers of dissenting annotators.
_INSTEAD = {
    **{"yes": ("no",), "no": ("yes",), "small": ("little", "tiny"), "large": ("big",)},
    **{"1": ("2",), "2": ("1", "3"), "3": ("2", "4"), "4": ("3", "5")},
    **{"red": ("dark red",), "orange": ("red", "yellow"), "yellow": ("gold",), "green": ("dark green",)},
    **{"blue": ("dark blue",), "purple": ("violet",), "pink": ("light pink",), "brown": ("dark brown",)},
    **{"black": ("dark",), "white": ("light",)},
    **{"circle": ("round", "dot"), "square": ("box",), "triangle": ("pyramid",), "star": ("stars",)},
    **{"heart": ("hearts",), "ring": ("circle", "donut"), "cross": ("plus",), "diamond": ("rhombus",)},
    **{"moon": ("crescent",), "arrow": ("arrows",)},
    **{"left": ("left side",), "right": ("right side",), "top": ("up",), "bottom": ("down",)},
    **{"middle": ("center",), "top left": ("top",), "top right": ("right",), "bottom left": ("left",)},
    **{"bottom right": ("bottom",)},
}


@dataclass(frozen=True)
class Question:
    """A question about a scene, with its answer and labels."""

    text: str
    answer: str
    answer_type: str
    """Answer type as in VQA v2: "yes/no", "number" or "other"."""
    question_type: str
    """First words of the question, as in VQA v2."""
    pair: Pair
    """Combination (colour, shape) that the question is about."""


def question(
    scene: Scene, number: int, stream: Callable[[str], Random], left_out: Collection[str] = ()
) -> Question:
    """Makes one question about a scene. Questions with different numbers are of different kinds.

    Args:
        scene: scene to ask about.
        number: number of the question, 0 … `MAX_QUESTIONS` - 1.
        stream: function that returns the random generator of a purpose, always with the same seed.
        left_out: attributes that are not asked about: "size", "count" or both.
    """
    kinds = [_colour, _shape, _size, _count, _place, _existence, _attribute, _relation, _neighbour]
    stream("order").shuffle(kinds)
    asked = (kind for kind in kinds if kind.__name__.removeprefix("_") not in left_out)
    possible = (made for kind in asked if (made := kind(scene, stream(kind.__name__))) is not None)
    return next(islice(possible, number, None))


def annotate(answer: str, rng: Random) -> tuple[str, ...]:
    """Simulates the answers of ten annotators, of whom at least seven agree with `answer`."""
    dissent = rng.choices((0, 1, 2, 3), (50, 30, 15, 5))[0]
    answers = [answer] * (10 - dissent) + [rng.choice(_INSTEAD[answer]) for _ in range(dissent)]
    rng.shuffle(answers)
    return tuple(answers)


def _be(group: Group) -> str:
    return "is" if group.count == 1 else "are"


def _noun(group: Group) -> str:
    return group.shape if group.count == 1 else plural(group.shape)


def _unique(scene: Scene, attribute: str) -> list[Group]:
    """Returns the groups whose value of the attribute no other group has."""
    counts = Counter(getattr(group, attribute) for group in scene.groups)
    return [group for group in scene.groups if counts[getattr(group, attribute)] == 1]


def _name(scene: Scene, group: Group, rng: Random) -> str:
    """Names a group unambiguously: by shape if that is unique (half of the time), otherwise by colour and shape."""
    if group in _unique(scene, "shape") and rng.random() < 0.5:
        return _noun(group)
    return f"{group.colour} {_noun(group)}"


def _subject(scene: Scene, rng: Random) -> Group:
    """Draws the group to ask about: the held-out one if there is one, otherwise any."""
    return rng.choice([group for group in scene.groups if not scene.is_novel or group.pair in HELD_OUT])


def _subject_named_by(attribute: str, scene: Scene, rng: Random) -> Group | None:
    """Draws a group that the attribute alone names. Its other attribute is uniform over the values in the split."""
    unique = _unique(scene, attribute)
    seen = [group for group in unique if group.pair not in HELD_OUT]
    held_out = [group for group in unique if group.pair in HELD_OUT]
    if not seen or (scene.is_novel and not held_out):
        return None
    # Each shape has one held-out colour of ten, and each colour one held-out shape.
    return rng.choice(held_out if scene.is_novel and rng.random() < 0.1 else seen)


def _colour(scene: Scene, rng: Random) -> Question | None:
    if (group := _subject_named_by("shape", scene, rng)) is None:
        return None
    kind = f"what color {_be(group)} the"
    return Question(f"{kind} {_noun(group)}?".capitalize(), group.colour, "other", kind, group.pair)


def _shape(scene: Scene, rng: Random) -> Question | None:
    if (group := _subject_named_by("colour", scene, rng)) is None:
        return None
    kind = f"what shape {_be(group)} the"
    noun = "object" if group.count == 1 else "objects"
    return Question(f"{kind} {group.colour} {noun}?".capitalize(), group.shape, "other", kind, group.pair)


def _size(scene: Scene, rng: Random) -> Question:
    group = _subject(scene, rng)
    kind = f"what size {_be(group)} the"
    return Question(f"{kind} {_name(scene, group, rng)}?".capitalize(), group.size, "other", kind, group.pair)


def _count(scene: Scene, rng: Random) -> Question | None:
    if len(scene.groups) > 2:  # their groups hold fewer objects: counts would not be uniform
        return None
    group = _subject(scene, rng)
    by_shape = group in _unique(scene, "shape") and rng.random() < 0.5
    noun = plural(group.shape) if by_shape else f"{group.colour} {plural(group.shape)}"
    return Question(f"How many {noun} are there?", str(group.count), "number", "how many", group.pair)


def _place(scene: Scene, rng: Random) -> Question:
    group = _subject(scene, rng)
    if len(scene.groups) == 3:  # ends twice as often as the middle: all five places are equally frequent
        group = rng.choices(scene.groups, (2, 1, 2))[0]
    name = f"{_be(group)} the {_name(scene, group, rng)}"
    text = {2: f"Which side {name} on?", 4: f"Which corner {name} in?"}.get(
        len(scene.groups), f"Where {name}?"
    )
    kind = text.lower()[: text.index(" the ") + 4]
    return Question(text, group.place, "other", kind, group.pair)


def _existence(scene: Scene, rng: Random) -> Question:
    group, answer = _subject(scene, rng), rng.choice(("yes", "no"))
    asked_by = rng.choice(("colour", "shape", "pair"))
    colour, shape = group.pair
    if answer == "no":
        present = [group.pair for group in scene.groups]
        colours, shapes = ({pair[i] for pair in present} for i in (0, 1))
        if asked_by == "pair":  # an absent pair, whose colour or shape is preferably present
            absent = [pair for pair in (HELD_OUT if scene.is_novel else SEEN) if pair not in present]
            near = [pair for pair in absent if pair[0] in colours or pair[1] in shapes]
            colour, shape = rng.choice(near or absent)
        else:
            colour = rng.choice([c for c in COLOURS if c not in colours])
            shape = rng.choice([s for s in SHAPES if s not in shapes])
    if asked_by == "colour":
        return Question(
            f"Is there anything {colour}?", answer, "yes/no", "is there anything", (colour, shape)
        )
    noun = shape if asked_by == "shape" else f"{colour} {shape}"
    if rng.random() < 0.5:
        text, kind = f"Is there {article(noun)}?", "is there a"
    else:
        text, kind = f"Are there any {plural(noun)}?", "are there any"
    return Question(text, answer, "yes/no", kind, (colour, shape))


def _attribute(scene: Scene, rng: Random) -> Question | None:
    if (group := _subject_named_by("shape", scene, rng)) is None:
        return None
    answer, colour = rng.choice(("yes", "no")), group.colour
    if answer == "no":  # only colours that this shape has in the split: others would reveal the answer
        others = [c for c in COLOURS if scene.is_novel or (c, group.shape) not in HELD_OUT]
        colour = rng.choice([c for c in others if c != group.colour])
    kind = f"{_be(group)} the"
    return Question(f"{kind} {_noun(group)} {colour}?".capitalize(), answer, "yes/no", kind, group.pair)


def _in_line(scene: Scene, rng: Random) -> tuple[str, str]:
    """Draws a relation along the layout: its words, and whether it means "first" or "last" in reading order."""
    before, after = ("to the left of", "to the right of") if "left" in scene.layout else ("above", "below")
    return rng.choice(((before, "first"), (after, "last")))


def _relation(scene: Scene, rng: Random) -> Question | None:
    if len(scene.groups) not in (2, 3):
        return None
    group = _subject(scene, rng)
    other = rng.choice([g for g in scene.groups if g != group])
    words, end = _in_line(scene, rng)
    is_first = scene.groups.index(group) < scene.groups.index(other)
    answer = "yes" if is_first == (end == "first") else "no"
    kind = f"{_be(group)} the"
    text = f"{kind} {_name(scene, group, rng)} {words} the {_name(scene, other, rng)}?"
    return Question(text.capitalize(), answer, "yes/no", kind, group.pair)


def _neighbour(scene: Scene, rng: Random) -> Question | None:
    if len(scene.groups) != 2 or not _unique(scene, "shape"):
        return None
    words, end = _in_line(scene, rng)
    group, other = scene.groups if end == "first" else reversed(scene.groups)
    text = f"Which shape is {words} the {_noun(other)}?"
    return Question(text, group.shape, "other", "which shape is", group.pair)
