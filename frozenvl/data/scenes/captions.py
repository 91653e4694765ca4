"""Captions of rendered scenes, from sentence templates."""

from __future__ import annotations

from random import Random

from frozenvl.data.scenes.description import Group, Scene

NUMBERS = {2: "two", 3: "three", 4: "four"}
_SIZE_WORDS = {"small": ("small", "small", "little"), "large": ("large", "large", "big")}
_AT = {
    "left": "on the left",
    "right": "on the right",
    "top": "at the top",
    "bottom": "at the bottom",
    "middle": "in the middle",
}

# {a} … {d} are the groups in reading order; {a_is} becomes "is" or "are".
_FRAMES: dict[tuple[str, ...], tuple[str, ...]] = {
    ("left", "right"): (
        "{a} to the left of {b}",
        "{b} to the right of {a}",
        "{a} on the left and {b} on the right",
        "there {a_is} {a} next to {b}",
        "{b} beside {a}",
        "on the left {a_is} {a} and on the right {b_is} {b}",
        "a picture of {a} and {b} side by side",
    ),
    ("top", "bottom"): (
        "{a} above {b}",
        "{b} below {a}",
        "{a} at the top and {b} at the bottom",
        "there {a_is} {a} over {b}",
        "{b} under {a}",
        "at the top {a_is} {a} and at the bottom {b_is} {b}",
        "a picture of {a} with {b} underneath",
    ),
    ("left", "middle", "right"): (
        "{a}, {b} and {c} from left to right",
        "{a} on the left, {b} in the middle and {c} on the right",
        "{b} between {a} and {c}",
        "there {b_is} {b} with {a} on the left and {c} on the right",
        "a row with {a}, {b} and {c}",
        "the picture shows {a}, {b} and {c} side by side",
        "{c} to the right of {a} and {b}",
    ),
    ("top", "middle", "bottom"): (
        "{a}, {b} and {c} from top to bottom",
        "{a} at the top, {b} in the middle and {c} at the bottom",
        "{b} between {a} and {c}",
        "there {b_is} {b} with {a} above and {c} below",
        "a column with {a}, {b} and {c}",
        "the picture shows {a} above {b} and {c}",
        "{c} below {a} and {b}",
    ),
    ("top left", "top right", "bottom left", "bottom right"): (
        "{a} and {b} above {c} and {d}",
        "{c} and {d} below {a} and {b}",
        "{a}, {b}, {c} and {d} in the four corners",
        "at the top {a} and {b}, at the bottom {c} and {d}",
        "four shapes: {a}, {b}, {c} and {d}",
        "{a} and {b} over {c} and {d}",
        "the picture shows {a}, {b}, {c} and {d}",
    ),
}
_SINGLE_FRAMES = (
    "{a} {at}",
    "there {a_is} {a} {at} of the picture",
    "the picture shows {a} {at}",
    "{a} on a {pattern} background",
    "{at} of the image {a_is} {a}",
    "{a} can be seen {at}",
    "a drawing of {a} {at} of a {pattern} background",
)
MAX_CAPTIONS = min(map(len, [_SINGLE_FRAMES, *_FRAMES.values()]))
"""Number of differently worded captions that every scene has."""
# Number of groups → probability that a caption names sizes.
_CHANCE_OF_SIZE = {1: 0.85, 2: 0.85, 3: 0.25, 4: 0.0}


def plural(noun: str) -> str:
    """Returns the plural of a shape's name."""
    return noun + ("es" if noun.endswith("s") else "s")


def article(words: str) -> str:
    """Puts "a" or "an" in front of the words."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def captions(
    scene: Scene, rng: Random, number: int = 5, sizes: bool = True, wordings: int = MAX_CAPTIONS
) -> tuple[str, ...]:
    """Makes `number` true captions of a scene, each from another sentence template.

    Args:
        scene: scene to describe.
        rng: random generator.
        number: number of captions, at most `wordings`.
        sizes: whether captions may name the sizes of objects.
        wordings: number of sentence templates to choose from, at most `MAX_CAPTIONS`; the plainest come first.
    """
    frames = _FRAMES.get(scene.layout, _SINGLE_FRAMES)[:wordings]
    return tuple(_fill(frame, scene, rng, sizes) for frame in rng.sample(frames, number))


def _fill(frame: str, scene: Scene, rng: Random, sizes: bool) -> str:
    sized = sizes and rng.random() < _CHANCE_OF_SIZE[len(scene.groups)]
    words = {"at": _AT.get(scene.groups[0].place, ""), "pattern": scene.background.pattern}
    for letter, group in zip("abcd", scene.groups, strict=False):
        words[letter] = _phrase(group, rng, sized)
        words[f"{letter}_is"] = "is" if group.count == 1 else "are"
    return frame.format(**words)


def _phrase(group: Group, rng: Random, sized: bool) -> str:
    size = [rng.choice(_SIZE_WORDS[group.size])] if sized else []
    if group.count == 1:
        return article(" ".join([*size, group.colour, group.shape]))
    return " ".join([NUMBERS[group.count], *size, group.colour, plural(group.shape)])
