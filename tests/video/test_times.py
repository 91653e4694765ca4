from fractions import Fraction

from frozenvl.video.times import Times


def test_times_without_keyframes_are_those_of_a_list_of_images():
    times = Times(range(3), 3, Fraction(1))
    assert times.seekable and not times.keyframes
