"""Types of command-line arguments, for argparse."""

from __future__ import annotations

from argparse import ArgumentTypeError


def count(text: str) -> int:
    """Parses a whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise ArgumentTypeError(f"{text} is not a number of 1 or more")
    return number


def positive(text: str) -> float:
    """Parses a finite number above 0."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise ArgumentTypeError(f"{text} is not above 0")
    return number


def share(text: str) -> float:
    """Parses a share: a number above 0 and at most 1."""
    number = positive(text)
    if number > 1:
        raise ArgumentTypeError(f"{text} is no share, from 0 to 1")
    return number


def setting(text: str) -> tuple[str, str]:
    """Parses KEY=VALUE into a pair."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ArgumentTypeError(f"{text} is not KEY=VALUE, such as data.root=DATA/flickr8k")
    return key, value
