"""Types of command-line arguments."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest

from frozenvl.util.arguments import count, positive, setting, share


def test_valid_arguments_are_parsed():
    assert (count("3"), positive("1e-3"), share("1"), setting("a.b=c=d")) == (3, 0.001, 1.0, ("a.b", "c=d"))


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (count, "0", "0 is not a number of 1 or more"),
        (positive, "inf", "inf is not above 0"),
        (share, "1.5", "1.5 is no share"),
        (setting, "=3", "=3 is not KEY=VALUE"),
        (setting, "key", "key is not KEY=VALUE"),
    ],
)
def test_invalid_arguments_are_refused(kind, text, message):
    with pytest.raises(ArgumentTypeError, match=message):
        kind(text)
