"""`scenes`, the default data set: rendered images with captions, questions and episodes.

Everything is a pure function of (seed, split, index): nothing is downloaded or stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from random import Random

from frozenvl.data.scenes.captions import MAX_CAPTIONS, captions
from frozenvl.data.scenes.description import (
    HELD_OUT,
    MAX_COUNT,
    MAX_GROUPS,
    SEEN,
    SIZES,
    Pair,
    Scene,
    arrange,
    draw_pairs,
)
from frozenvl.data.scenes.image import SceneImage
from frozenvl.data.scenes.questions import MAX_QUESTIONS, annotate, question
from frozenvl.data.scenes.renderer import boxes_of
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Box, Episode, Example
from frozenvl.util.errors import UserError
from frozenvl.wording import NEW_WORDS

SPLITS = ("train", "val", "novel")
MOST = max(MAX_COUNT.values())
"""Largest number of objects in a group."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise UserError(f"scenes: {message}")


def _stream(key: str, purpose: str) -> Random:
    """Returns the random generator of one purpose, the same on every machine (seeded by SHA-512 of the string)."""
    return Random(f"scenes/{key}/{purpose}")


def _boxes(scene: Scene, pair: Pair) -> tuple[Box, ...]:
    """Returns the boxes of the objects of a (colour, shape) pair; () if the scene has none."""
    return tuple(box for group in scene.groups if group.pair == pair for box in boxes_of(group))


class _Scenes(Source):
    """Base class: image `i` of a split and seed is the same scene for captions and for questions."""

    def __init__(
        self,
        split: str,
        size: int,
        seed: int,
        resolution: int,
        max_groups: int = MAX_GROUPS,
        max_count: int = MOST,
        sizes: Sequence[str] = SIZES,
    ) -> None:
        _require(split in SPLITS, f"unknown split {split!r}; choose one of {', '.join(SPLITS)}")
        _require(size >= 1, f"size must be at least 1, not {size}")
        _require(resolution >= 32, f"resolution must be at least 32, not {resolution}")
        _require(
            1 <= max_groups <= MAX_GROUPS, f"max_groups must be from 1 to {MAX_GROUPS}, not {max_groups}"
        )
        _require(1 <= max_count <= MOST, f"max_count must be from 1 to {MOST}, not {max_count}")
        known = bool(sizes) and set(sizes) <= set(SIZES)
        _require(known, f"sizes must be some of {', '.join(SIZES)}, not {list(sizes)}")
        self.split, self.size, self.seed, self.resolution = split, size, seed, resolution
        self.max_groups, self.max_count, self.sizes = max_groups, max_count, tuple(dict.fromkeys(sizes))

    def __len__(self) -> int:
        return self.size

    def _check(self, index: int) -> None:
        if not 0 <= index < self.size:
            raise IndexError(f"scenes: index {index} is not in 0 … {self.size - 1}")

    def _key(self, index: int) -> str:
        return f"{self.seed}/{self.split}/{index}"

    def _image(self, index: int) -> SceneImage:
        rng = _stream(self._key(index), "scene")
        pairs = draw_pairs(rng, self.split == "novel", self.max_groups)
        scene = arrange(pairs, rng, self.max_count, self.sizes)
        return SceneImage(f"scene-{self.split}-{index:06}.png", scene, self.resolution)


class SceneCaptions(_Scenes):
    """Scenes with differently worded captions.

    Captions name sizes only if objects differ in size.

    Args:
        split: "train"; "val", other scenes with the same combinations of colour and shape; or "novel",
            scenes that each have a combination that the other splits never show.
        size: number of images.
        seed: seed of the scenes.
        resolution: side of the images, in pixels.
        max_groups: largest number of groups of equal objects in a scene, at most 4.
        max_count: largest number of objects in a group, at most 4.
        sizes: sizes of objects, "small", "large" or both.
        per_image: number of captions of an image, at most `wordings`.
        wordings: number of sentence templates for scenes of one layout, at most 7. With 1, all are worded alike:
            "a red star on the left", "a red star above a blue ring".

    Raises:
        UserError: if an argument is out of range.
    """

    def __init__(
        self,
        split: str = "train",
        size: int = 20000,
        seed: int = 0,
        resolution: int = 224,
        max_groups: int = MAX_GROUPS,
        max_count: int = MOST,
        sizes: Sequence[str] = SIZES,
        per_image: int = 5,
        wordings: int = MAX_CAPTIONS,
    ) -> None:
        super().__init__(split, size, seed, resolution, max_groups, max_count, sizes)
        _require(1 <= wordings <= MAX_CAPTIONS, f"wordings must be from 1 to {MAX_CAPTIONS}, not {wordings}")
        _require(
            1 <= per_image <= wordings,
            f"per_image must be from 1 to {wordings}, the number of wordings, not {per_image}",
        )
        self.targets_per_example = self._captions = per_image
        self._wordings = wordings

    def __getitem__(self, index: int) -> Example:
        """Returns the example at `index`, with its captions. Raises `IndexError` outside 0 … size - 1."""
        self._check(index)
        image = self._image(index)
        return Example(
            id=f"scenes/{self.split}/caption/{index}",
            image=image,
            image_id=f"scenes/{self.split}/{index}",
            references=captions(
                image.scene,
                _stream(self._key(index), "captions"),
                self._captions,
                sizes=len(self.sizes) > 1,
                wordings=self._wordings,
            ),
        )


class SceneQuestions(_Scenes):
    """Questions about scenes, with ten annotators' answers each, as in VQA v2.

    Given the text of a question, its possible answers are equally frequent. No question asks about an attribute with
    only one possible value: counts if `max_count` is 1, sizes if there is one size.

    Args:
        split: split, see `SceneCaptions`. In "novel", questions are about the held-out combination wherever that
            does not reveal the answer.
        size: number of questions.
        seed: seed of the scenes. With the same seed, the images are those of `SceneCaptions`.
        resolution: side of the images, in pixels.
        per_image: number of questions about one image, each of another kind: at most 6, one fewer for each attribute
            that is not asked about.
        max_groups: largest number of groups, see `SceneCaptions`.
        max_count: largest number of objects in a group.
        sizes: sizes of objects.

    Raises:
        UserError: if an argument is out of range.
    """

    def __init__(
        self,
        split: str = "train",
        size: int = 20000,
        seed: int = 0,
        resolution: int = 224,
        per_image: int = 4,
        max_groups: int = MAX_GROUPS,
        max_count: int = MOST,
        sizes: Sequence[str] = SIZES,
    ) -> None:
        super().__init__(split, size, seed, resolution, max_groups, max_count, sizes)
        constant = {"count": max_count == 1, "size": len(self.sizes) == 1}
        self._left_out = [attribute for attribute, is_constant in constant.items() if is_constant]
        most = MAX_QUESTIONS - len(self._left_out)
        _require(1 <= per_image <= most, f"per_image must be from 1 to {most}, not {per_image}")
        self.per_image = per_image

    def __getitem__(self, index: int) -> Example:
        """Returns the example at `index`: a question, ten answers as references, and the majority answer.

        `kind` has `answer_type`, `question_type` and, in "novel", `combination`: whether the question is about a
        "held out" or a "seen" combination. `boxes` are those of the objects that it is about; "Is there …?" may be
        about objects that are not there. Raises `IndexError` outside 0 … size - 1.
        """
        self._check(index)
        image_index, number = divmod(index, self.per_image)
        image = self._image(image_index)
        key = self._key(image_index)
        made = question(image.scene, number, partial(_stream, f"{key}/question"), self._left_out)
        kind = {"answer_type": made.answer_type, "question_type": made.question_type}
        if self.split == "novel":
            kind["combination"] = "held out" if made.pair in HELD_OUT else "seen"
        return Example(
            id=f"scenes/{self.split}/question/{index}",
            image=image,
            image_id=f"scenes/{self.split}/{image_index}",
            references=annotate(made.answer, _stream(key, f"answers/{number}")),
            question=made.text,
            answer=made.answer,
            kind=kind,
            boxes=_boxes(image.scene, made.pair),
        )


class SceneObjects(_Scenes):
    """Labelled images of one object. The answer is the class: colour and shape, such as "red circle".

    Args:
        split: split, see `SceneCaptions`. The classes of "novel" are the held-out combinations, which `SceneEpisodes`
            uses. Consecutive images cycle through the classes.
        size: number of images.
        seed: seed of the scenes.
        resolution: side of the images, in pixels.

    Raises:
        UserError: if an argument is out of range.
    """

    def __init__(self, split: str = "train", size: int = 20000, seed: int = 0, resolution: int = 224) -> None:
        super().__init__(split, size, seed, resolution)

    def __getitem__(self, index: int) -> Example:
        """Returns the example at `index`. Raises `IndexError` outside 0 … size - 1."""
        self._check(index)
        pairs = HELD_OUT if self.split == "novel" else SEEN
        pair = pairs[index % len(pairs)]
        scene = arrange([pair], _stream(self._key(index), "object"), max_count=1)
        name = " ".join(pair)
        return Example(
            id=f"scenes/{self.split}/object/{index}",
            image=SceneImage(f"scene-object-{self.split}-{index:06}.png", scene, self.resolution),
            image_id=f"scenes/{self.split}/object/{index}",
            references=(name,),
            answer=name,
            boxes=_boxes(scene, pair),
        )


class SceneEpisodes:
    """Naming episodes whose classes are held-out combinations of colour and shape, named by nonce words.

    Args:
        size: number of episodes.
        seed: seed of the episodes.
        ways: number of classes in an episode, from 2 to 10.
        inner_shots: number of different support images of each class.
        resolution: side of the images, in pixels.

    Raises:
        UserError: if an argument is out of range.
    """

    def __init__(
        self, size: int = 1000, seed: int = 0, ways: int = 2, inner_shots: int = 1, resolution: int = 224
    ) -> None:
        max_ways = min(len(HELD_OUT), len(NEW_WORDS))
        _require(size >= 1, f"size must be at least 1, not {size}")
        _require(2 <= ways <= max_ways, f"ways must be from 2 to {max_ways}, not {ways}")
        _require(inner_shots >= 1, f"inner_shots must be at least 1, not {inner_shots}")
        _require(resolution >= 32, f"resolution must be at least 32, not {resolution}")
        self.size, self.seed, self.ways = size, seed, ways
        self.inner_shots, self.resolution = inner_shots, resolution

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Episode:
        """Returns the episode at `index`. Raises `IndexError` outside 0 … size - 1."""
        if not 0 <= index < self.size:
            raise IndexError(f"scenes: index {index} is not in 0 … {self.size - 1}")
        rng = _stream(f"{self.seed}/episode/{index}", "episode")
        classes = dict(zip(rng.sample(NEW_WORDS, self.ways), rng.sample(HELD_OUT, self.ways), strict=True))
        words = list(classes) * self.inner_shots
        rng.shuffle(words)
        answer = rng.choice(list(classes))
        images = [self._image(index, i, classes[word], rng) for i, word in enumerate([*words, answer])]
        return Episode(
            id=f"scenes/episode/{index}",
            support=tuple((image, f"This is a {word}") for image, word in zip(images, words, strict=False)),
            query=images[-1],
            question="This is a",
            answer=answer,
            choices=tuple(classes),
        )

    def _image(self, index: int, position: int, pair: Pair, rng: Random) -> SceneImage:
        return SceneImage(
            f"scene-episode-{index:06}-{position}.png", arrange([pair], rng, max_count=1), self.resolution
        )
