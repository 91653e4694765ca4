"""The interface of sources."""

from __future__ import annotations

import pytest

from frozenvl.data.sources.source import Source
from frozenvl.prompt import BlackImage, Example
from frozenvl.util.errors import UserError


class Holes(Source):
    """Source that returns an example only at even indices."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Example:
        return Example(str(index), BlackImage(), str(index), ("text",)) if index % 2 == 0 else None


def test_a_value_that_is_no_example_is_refused_with_class_and_index():
    assert Holes()[2].id == "2"
    with pytest.raises(
        UserError, match=r"test_source.Holes: example 3 is None; its __getitem__ has to return a .*Example"
    ):
        Holes()[3]


class InheritedHoles(Holes):
    """Inherits the checked `__getitem__`."""


def test_the_check_is_inherited():
    with pytest.raises(UserError, match=r"InheritedHoles: example 1 is None"):
        InheritedHoles()[1]
