from fractions import Fraction
from random import Random

import pytest

from frozenvl.util.errors import UserError
from frozenvl.video.sampling import RULES, Sampling

TEN = range(10)
"""Times of ten frames of one tick each."""


def indices(sampling, times=TEN, end=None, tick=Fraction(1), **options):
    return sampling.indices(times, end or times[-1] + 1, tick, **options)


def test_uniform_takes_the_middles_of_equal_segments():
    assert indices(Sampling("uniform", 5)) == [1, 3, 5, 7, 9]
    assert indices(Sampling("uniform", 2)) == [2, 7]
    assert indices(Sampling("uniform", 1)) == [5]


def test_endpoints_takes_both_ends():
    assert indices(Sampling("endpoints", 2)) == [0, 9]
    assert indices(Sampling("endpoints", 4)) == [0, 3, 6, 9]


def test_fps_takes_frames_by_the_duration_up_to_a_limit():
    at = lambda fps, most: indices(Sampling("fps", most, fps), tick=Fraction(1, 5))  # 10 frames in 2 s
    assert at(1, 8) == [2, 7] and at(2, 8) == [1, 3, 6, 8]
    assert at(5, 4) == indices(Sampling("uniform", 4)) and at(0.1, 8) == [5]


def test_random_draws_a_frame_of_each_segment_and_its_middle_without_a_draw():
    sampling = Sampling("random", 5)
    assert indices(sampling) == indices(Sampling("uniform", 5))
    ticks = range(0, 1000, 100)
    drawn = [indices(sampling, ticks, 1000, draw=Random(seed)) for seed in range(50)]
    assert all(index // 2 == segment for row in drawn for segment, index in enumerate(row))
    assert {index for row in drawn for index in row} == {*range(10)}
    assert drawn[3] == indices(sampling, ticks, 1000, draw=Random(3))


def test_the_frame_at_a_time_is_the_one_that_is_shown_then():
    """The first frame is shown for nine of ten seconds."""
    assert indices(Sampling("uniform", 5), [0, 901], 1000) == [0, 0, 0, 0, 0]
    assert indices(Sampling("uniform", 10), [500, 1400], 1500) == [0] * 9 + [1]


@pytest.mark.parametrize("rule", ["uniform", "endpoints", "random"])
def test_a_short_clip_repeats_frames(rule):
    assert indices(Sampling(rule, 4), range(2)) in ([0, 0, 1, 1], [0, 0, 0, 1])
    assert indices(Sampling(rule, 4), range(1), draw=Random(0)) == [0] * 4


def test_a_sampling_says_what_it_does():
    assert str(Sampling()) == "uniform, 8 frames" and str(Sampling("random", 1)) == "random, 1 frame"
    assert str(Sampling("fps", 16, 2.0)) == "2 fps, at most 16 frames"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("middle",), f"sampling is 'middle'; it must be one of {', '.join(RULES)}"),
        (("uniform", 0), "frames is 0; sampling uniform takes at least 1"),
        (("endpoints", 1), "frames is 1; sampling endpoints takes at least 2"),
        (("fps", 8), "fps is None; sampling fps takes a number of frames per second above 0"),
        (("fps", 8, 0.0), "fps is 0.0; sampling fps takes"),
        (("uniform", 8, 2.0), "fps is 2.0, but sampling is uniform; leave it out, or sample by fps"),
    ],
)
def test_unusable_samplings_are_refused(arguments, message):
    with pytest.raises(UserError) as refused:
        Sampling(*arguments)
    assert str(refused.value).startswith(message)
