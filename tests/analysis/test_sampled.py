"""Methods that draw random sets of cells."""

import pytest
import torch

from frozenvl.analysis.sampled import Sampled
from frozenvl.util.errors import UserError


class Estimator:
    """Attribution that is the value of a random set."""

    def __init__(self, values):
        self.values = values

    def attribute(self, shown, baselines, target, n_samples, perturbations_per_eval):
        assert shown.eq(1).all() and baselines.eq(0).all() and n_samples in (1, 4)
        mask = (torch.rand_like(shown) > 0.5).float()
        return mask * self.values(mask)[0, target]


class Drawn(Sampled):
    name = "drawn"
    default_samples = 4
    estimator = staticmethod(Estimator)


def test_maps_are_the_mean_over_seeds_with_their_spread(model_of, function_of):
    function = function_of(model_of())
    torch.manual_seed(5)
    maps = Drawn(seeds=3).maps(function)
    torch.manual_seed(6)
    again = Drawn(seeds=3).maps(function)
    assert maps.values.equal(again.values) and maps.spread.equal(again.spread)
    assert maps.values.shape == maps.spread.shape == (2, 7, 7) and maps.spread.max() > 0
    one = Drawn(4, seeds=1).maps(function)
    assert one.spread is None and not one.values.equal(maps.values)
    assert maps.settings == {"grid": 7, "samples": 4, "seeds": 3, "level": "pixel"}


def test_all_values_see_the_same_sets(model_of, function_of):
    """Then each set goes through the model once."""
    maps = Drawn(1, seeds=1).maps(function_of(model_of()))
    assert ((maps.values[0] != 0) == (maps.values[1] != 0)).all()


def test_no_samples_are_refused():
    with pytest.raises(UserError, match="samples is 0 and seeds 3"):
        Drawn(0)
