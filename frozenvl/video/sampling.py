"""`Sampling`: which frames of a video a model sees, by a named rule."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Literal, get_args

from frozenvl.util.errors import UserError

Rule = Literal["uniform", "endpoints", "fps", "random"]
"""Name of a sampling rule."""
RULES = get_args(Rule)
"""Names of the sampling rules."""


@dataclass(frozen=True)
class Sampling:
    """Rule that chooses the frames of a video. It picks times; the frame at a time is the one that is shown then.

    A clip with fewer frames than are chosen repeats some of them, so that every clip takes as many positions.

    Args:
        rule: `uniform` takes the middles of equal segments of the duration; `endpoints` the first and the last frame
            and equal steps between them; `fps` so many frames per second, as the middles of equal segments; `random`
            a random time of each segment in training, and its middle elsewhere.
        frames: number of frames; for `fps`, the largest number.
        fps: frames per second, for the rule `fps` only. A clip gives at least one frame.

    Raises:
        UserError: if an argument is not valid.
    """

    rule: Rule = "uniform"
    frames: int = 8
    fps: float | None = None

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise UserError(f"sampling is {self.rule!r}; it must be one of {', '.join(RULES)}")
        least = 2 if self.rule == "endpoints" else 1
        if self.frames < least:
            raise UserError(f"frames is {self.frames}; sampling {self.rule} takes at least {least}")
        if self.rule == "fps" and (self.fps is None or not 0 < self.fps < float("inf")):
            raise UserError(f"fps is {self.fps}; sampling fps takes a number of frames per second above 0")
        if self.rule != "fps" and self.fps is not None:
            raise UserError(f"fps is {self.fps}, but sampling is {self.rule}; leave it out, or sample by fps")

    def __str__(self) -> str:
        """The rule with its numbers, as scores record it: `uniform, 8 frames`."""
        if self.rule == "fps":
            return f"{self.fps:g} fps, at most {self.frames} frames"
        return f"{self.rule}, {self.frames} frame{'s' * (self.frames > 1)}"

    def indices(
        self, times: Sequence[int], end: int, tick: Fraction = Fraction(1), draw: Random | None = None
    ) -> list[int]:
        """Returns the indices of the chosen frames, in order.

        Args:
            times: time of each frame of a clip, in ticks, rising; at least one.
            end: time at which the last frame ends, in ticks.
            tick: seconds of a tick.
            draw: generator of the rule `random`; without one it takes the middles of its segments.
        """
        first, length, count = times[0], end - times[0], self.frames
        if self.rule == "endpoints":
            last = times[-1] - first
            chosen = [first + Fraction(last * place, count - 1) for place in range(count)]
        elif self.rule == "random" and draw is not None:
            chosen = [
                first + Fraction(length * place + draw.randrange(max(1, length)), count)
                for place in range(count)
            ]
        else:
            if self.rule == "fps":
                count = min(count, max(1, round(float(length * tick) * (self.fps or 1))))
            chosen = [first + Fraction(length * (2 * place + 1), 2 * count) for place in range(count)]
        return [max(0, bisect_right(times, time) - 1) for time in chosen]
