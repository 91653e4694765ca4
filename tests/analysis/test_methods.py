"""Methods by name and by class path."""

import pytest

from frozenvl.analysis.method import Method
from frozenvl.analysis.methods import METHODS, method_class, methods_of
from frozenvl.analysis.occlusion import Occlusion
from frozenvl.util.errors import UserError


@pytest.mark.parametrize("name", METHODS)
def test_each_name_is_that_of_its_class(name):
    kind = method_class(name)
    assert issubclass(kind, Method) and kind.name == name and method_class(METHODS[name]) is kind


def test_options_reach_the_methods_that_take_them():
    occlusion, activations = methods_of(
        ["occlusion", "activations"], {"grid": 5, "baseline": None}, {"channels": 3, "window": 2}
    )
    assert isinstance(occlusion, Occlusion) and (occlusion.grid, occlusion.window) == (5, 2)
    assert occlusion.baseline == "mean" and activations.channels == 3


def test_options_of_a_base_class_reach_its_methods():
    (lime,) = methods_of(["lime"], {"grid": 4, "level": "cell"}, {"seeds": 2, "samples": 8})
    assert (lime.grid, lime.level, lime.seeds, lime.samples) == (4, "cell", 2, 8)


@pytest.mark.parametrize(
    "name", ["ocusion", "frozenvl.analysis.occlusion.Nothing", "no.such.Thing", "json.JSONDecoder"]
)
def test_unknown_methods_are_refused(name):
    with pytest.raises(UserError, match=f"no method '{name}'; there are occlusion, "):
        method_class(name)


def test_a_setting_that_no_method_has_is_refused():
    with pytest.raises(UserError, match="none of the methods has a setting 'windw'; they have grid, window"):
        methods_of(["occlusion"], {}, {"windw": 2})
