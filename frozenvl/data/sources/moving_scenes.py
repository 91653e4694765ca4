"""Rendered clips of a moving object, with captions and questions whose answer needs the order of the frames.

Everything is a pure function of (seed, split, index), as in `SceneCaptions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Literal, TypeAlias, get_args

from frozenvl.data.scenes.description import HELD_OUT, SEEN, Scene, arrange
from frozenvl.data.scenes.image import SceneImage
from frozenvl.data.scenes.motion import EVENTS, MAX_FRAMES, MIN_FRAMES, Event, Motion, look, move
from frozenvl.data.scenes.motion_texts import ASKS, MAX_CAPTIONS, Ask, asked_about, captions, question
from frozenvl.data.sources.scenes import SPLITS
from frozenvl.data.sources.source import Source
from frozenvl.prompt import Example, Image
from frozenvl.util.errors import UserError
from frozenvl.video.video import Video

Shown: TypeAlias = Literal["all", "shuffled", "one"]
"""Frames that a model sees of a clip: all in order, all in random order, or one at random."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise UserError(f"moving scenes: {message}")


class _MovingScenes(Source):
    """Base class: clip `i` of a split and seed is the same for captions and for questions, however it is shown."""

    def __init__(
        self,
        split: str,
        size: int,
        seed: int,
        resolution: int,
        frames: int,
        events: Sequence[Event],
        shown: Shown,
        straight: bool,
        looks: int | None,
    ) -> None:
        _require(split in SPLITS, f"unknown split {split!r}; choose one of {', '.join(SPLITS)}")
        _require(size >= 1, f"size must be at least 1, not {size}")
        _require(resolution >= 32, f"resolution must be at least 32, not {resolution}")
        _require(
            MIN_FRAMES <= frames <= MAX_FRAMES,
            f"frames must be from {MIN_FRAMES} to {MAX_FRAMES}, not {frames}",
        )
        known = bool(events) and set(events) <= set(EVENTS)
        _require(known, f"events must be some of {', '.join(EVENTS)}, not {events}")
        choices = get_args(Shown)
        _require(shown in choices, f"shown must be one of {', '.join(choices)}, not {shown!r}")
        _require(looks is None or looks >= 1, f"looks must be at least 1, not {looks}")
        self.split, self.size, self.seed, self.resolution = split, size, seed, resolution
        self.frames, self.events, self.shown = frames, tuple(dict.fromkeys(events)), shown
        self.straight, self.looks = straight, looks

    def __len__(self) -> int:
        return self.size

    def _stream(self, index: int, purpose: str) -> Random:
        return Random(f"moving scenes/{self.seed}/{self.split}/{index}/{purpose}")

    def _motion(self, index: int) -> Motion:
        if not 0 <= index < self.size:
            raise IndexError(f"moving scenes: index {index} is not in 0 … {self.size - 1}")
        rng = self._stream(index, "motion")
        number = index if self.looks is None else rng.randrange(self.looks)
        of_look = self._stream(number, "look")
        pair = of_look.choice(HELD_OUT if self.split == "novel" else SEEN)
        made = look(arrange([pair], of_look, max_count=1))
        return move(made, rng, rng.choice(self.events), self.frames, self.straight)

    def _image(self, index: int, motion: Motion) -> Image:
        images = [self._frame(scene) for scene in motion.frames]
        rng = self._stream(index, "shown")
        if self.shown == "one":
            return rng.choice(images)
        if self.shown == "shuffled":
            rng.shuffle(images)
        return Video(images)

    def _frame(self, scene: Scene) -> SceneImage:
        # The name is of the content: clips of one look share frames, which are then encoded once.
        unnamed = SceneImage("", scene, self.resolution)
        return SceneImage(f"moving-{unnamed.digest}.png", scene, self.resolution)


class MovingSceneCaptions(_MovingScenes):
    """Clips of a moving object with differently worded captions: "a red circle moves left and stops".

    Only the order of the frames tells the direction, whether the object stops, and what it is behind first
    (`frozenvl.data.scenes.motion`).

    Args:
        split: "train"; "val", other clips with the same combinations of colour and shape; or "novel", clips of the
            combinations that the other splits never show.
        size: number of clips.
        seed: seed of the clips.
        resolution: side of the frames, in pixels.
        frames: number of frames, from 6 to 12.
        events: what happens, equally often: the object moves in all frames ("move"), rests at the end or the start
            ("rest"), or is behind two squares on its way ("behind").
        shown: frames that the model sees: "all", all in random order ("shuffled"), or one at random ("one").
        straight: whether the object keeps to a line. It looks more natural, but frames in random order then tell left
            and right from up and down.
        looks: number of different objects and backgrounds. Clips of one look share frames, so that an encoder reads few
            images; by default each clip has a look of its own.
        per_clip: number of captions of a clip, at most `wordings`.
        wordings: number of sentence templates, at most 5.

    Raises:
        UserError: if an argument is out of range.
    """

    def __init__(
        self,
        split: str = "train",
        size: int = 20000,
        seed: int = 0,
        resolution: int = 224,
        frames: int = 8,
        events: Sequence[Event] = EVENTS,
        shown: Shown = "all",
        straight: bool = False,
        looks: int | None = None,
        per_clip: int = 1,
        wordings: int = MAX_CAPTIONS,
    ) -> None:
        super().__init__(split, size, seed, resolution, frames, events, shown, straight, looks)
        _require(1 <= wordings <= MAX_CAPTIONS, f"wordings must be from 1 to {MAX_CAPTIONS}, not {wordings}")
        _require(
            1 <= per_clip <= wordings,
            f"per_clip must be from 1 to {wordings}, the number of wordings, not {per_clip}",
        )
        self.targets_per_example = self._captions = per_clip
        self._wordings = wordings

    def __getitem__(self, index: int) -> Example:
        """Returns the clip at `index`, with its captions. Raises `IndexError` outside 0 … size - 1."""
        motion = self._motion(index)
        return Example(
            id=f"moving/{self.split}/caption/{index}",
            image=self._image(index, motion),
            image_id=f"moving/{self.split}/{index}",
            references=captions(motion, self._stream(index, "captions"), self._captions, self._wordings),
            kind={"event": motion.event, "direction": motion.direction},
        )


class MovingSceneQuestions(_MovingScenes):
    """Questions about clips of a moving object, one for each clip, with the possible answers as choices.

    "Which way does the red circle move?" (left, right, up, down), "Does the red circle stop?" (yes, no), and "What is
    the red circle behind first?" (one of two squares). Given the frames in any order, the possible answers are equally
    likely.

    Args:
        split: split, see `MovingSceneCaptions`.
        size: number of clips, and of questions.
        seed: seed of the clips. With the same seed and events, they are those of `MovingSceneCaptions`.
        resolution: side of the frames, in pixels.
        frames: number of frames, from 6 to 12.
        events: what happens, see `MovingSceneCaptions`.
        ask: what is asked: "direction" of every event, "stop" of "rest", "behind" of "behind".
        shown: frames that the model sees, see `MovingSceneCaptions`.
        straight: whether the object keeps to a line, see `MovingSceneCaptions`.
        looks: number of different objects and backgrounds.

    Raises:
        UserError: if an argument is out of range, or nothing can be asked about an event.
    """

    def __init__(
        self,
        split: str = "train",
        size: int = 20000,
        seed: int = 0,
        resolution: int = 224,
        frames: int = 8,
        events: Sequence[Event] = EVENTS,
        ask: Sequence[Ask] = ASKS,
        shown: Shown = "all",
        straight: bool = False,
        looks: int | None = None,
    ) -> None:
        super().__init__(split, size, seed, resolution, frames, events, shown, straight, looks)
        known = bool(ask) and set(ask) <= set(ASKS)
        _require(known, f"ask must be some of {', '.join(ASKS)}, not {ask}")
        self._asks = {event: [each for each in asked_about(event) if each in ask] for event in self.events}
        for event, asks in self._asks.items():
            _require(bool(asks), f"ask {', '.join(ask)} says nothing of the event {event!r}; leave it out")

    def __getitem__(self, index: int) -> Example:
        """Returns the question at `index`. Raises `IndexError` outside 0 … size - 1."""
        motion = self._motion(index)
        ask = self._stream(index, "question").choice(self._asks[motion.event])
        text, answer, choices = question(motion, ask)
        return Example(
            id=f"moving/{self.split}/question/{index}",
            image=self._image(index, motion),
            image_id=f"moving/{self.split}/{index}",
            references=(answer,),
            question=text,
            answer=answer,
            kind={"ask": ask, "event": motion.event},
            choices=choices,
        )
