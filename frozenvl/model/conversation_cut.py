"""Cuts a conversation to train on after the last whole turn that fits."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from frozenvl.prompt import Delimiter, Learned, Sample
from frozenvl.util.errors import LongSample


def cut(sample: Sample, positions: Callable[[Sample], int], limit: int) -> tuple[Sample, str]:
    """Returns a conversation without the last turns, so that it fits, and a line that says what was left out.

    Args:
        sample: sample of a conversation.
        positions: function that counts the positions of a sample.
        limit: largest number of positions that fit.

    Raises:
        LongSample: if its first turn alone does not fit.
    """
    shorter = without_last_turns(sample)
    fitting = bisect_right(range(len(shorter)), limit, key=lambda turns: positions(shorter[turns]))
    if not fitting:
        first = shorter[0] if shorter else sample
        raise LongSample(
            f"{sample.id}: its first turn has {positions(first):,} positions, of which {limit:,} fit",
            sample.id,
        )
    left_out = sample.turns - fitting
    return (
        shorter[fitting - 1],
        f"{left_out} of {sample.turns} turns left out: {positions(sample):,} positions, {limit:,} fit",
    )


def without_last_turns(sample: Sample) -> list[Sample]:
    """Returns the samples of a conversation that end after its first turn, its second, …, and the last but one."""
    prompt = sample.prompt
    replies = [
        place
        for place, (part, behind) in enumerate(pairwise(prompt))
        if isinstance(part, Learned) and isinstance(behind, Delimiter) and behind.learned
    ]
    earlier = replies[-(sample.turns - 1) :] if sample.turns > 1 else []
    return [
        replace(sample, prompt=prompt[:place], target=str(prompt[place]), turns=number)
        for number, place in enumerate(earlier, 1)
    ]
