"""Naming: Frozen's strict match, and the lenient match of the first phrase."""

import pytest

from frozenvl.metrics.naming import first_phrase_match, naming_scores, strict_match
from frozenvl.util.errors import UserError


@pytest.mark.parametrize(
    ("output", "ended", "strict", "first"),
    [
        ("dax", True, True, True),
        (" dax.", True, True, True),
        ("dax", False, False, True),
        ("dax..", True, False, True),
        ("Dax", True, False, True),
        ("dax\nQuestion: what", False, False, True),
        ("dax, not a blicket", True, False, True),
        ("dax blicket", True, False, False),
        ("daxes", True, False, False),
        ("a dax", True, False, False),
        ("", True, False, False),
    ],
)
def test_strict_and_first_phrase_match(output, ended, strict, first):
    assert strict_match(output, "dax", ended) is strict
    assert first_phrase_match(output, "dax.") is first


def test_naming_scores():
    found = naming_scores({"1": "dax", "2": "dax"}, {"1": True, "2": False}, {"1": "dax", "2": "dax"})
    assert found.scores == {"strict": 50, "first_phrase": 100}
    assert found.per_query == {"1": 100, "2": 0}
    with pytest.raises(UserError, match="recorded whether"):
        naming_scores({"1": "dax"}, {}, {"1": "dax"})
