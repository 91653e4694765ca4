import argparse

import pytest

from frozenvl.util.errors import UserError
from frozenvl.video.arguments import add_sampling_arguments, sampling_of
from frozenvl.video.sampling import Sampling


def parsed(*options, default=None):
    parser = argparse.ArgumentParser()
    add_sampling_arguments(parser)
    return sampling_of(parser.parse_args(options), default or Sampling())


def test_options_replace_the_default():
    trained = Sampling("endpoints", 4)
    assert parsed(default=trained) == trained and parsed("--frames", "2", default=trained) == Sampling(
        "endpoints", 2
    )
    assert parsed("--sampling", "uniform", default=trained) == Sampling("uniform", 4)
    assert parsed("--fps", "2", default=trained) == Sampling("fps", 4, 2.0)
    by_rate = Sampling("fps", 16, 1.0)
    assert parsed("--frames", "9", default=by_rate) == Sampling("fps", 9, 1.0)
    assert parsed("--sampling", "uniform", default=by_rate) == Sampling("uniform", 16)


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match=r"fps is 2.0, but sampling is uniform"):
        parsed("--sampling", "uniform", "--fps", "2")
    with pytest.raises(SystemExit):
        parsed("--sampling", "middle")
