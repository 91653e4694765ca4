"""`Times`: the times of a clip's frames, and the places from which decoding can start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction


@dataclass(frozen=True)
class Times:
    """Times of the frames of a clip, in ticks."""

    ticks: Sequence[int]
    """Time at which each frame is first shown, rising."""
    end: int
    """Time at which the last frame ends."""
    tick: Fraction
    """Seconds of a tick."""
    keyframes: Sequence[tuple[int, int]] = field(default=())
    """(presentation time, decoding time) of each keyframe, rising: from there, later frames can be decoded."""
    seekable: bool = True
    """Whether frames are found by these times. If not, they are counted from the start."""
