"""The part of a text that can be shown while the rest is generated."""

from itertools import pairwise

import pytest

from frozenvl.model.streaming import settled


@pytest.mark.parametrize(
    ("text", "stops", "shown"),
    [
        ("", (), ""),
        ("a lar", (), "a"),
        ("a large ", (), "a large"),
        ("a large\n\nred", (), "a large"),
        ("caf\ufffd", (), ""),
        ("a café \ufffd", (), "a café"),
        ("一只", (), "一只"),
        ("一只\ufffd", (), "一只"),
        ("a 红色 ci", (), "a 红色"),
        ("red\nQuestion: what", ("\n",), ""),
        ("it is red\nQuestion: what", ("\n",), "it is"),
        ("it is red Quest", ("Question:",), "it is red"),
        ("it is 红Quest", ("Question:",), "it is 红"),
        ("it is a Q", ("Q:",), "it is a"),
        ("stop", ("x", "op"), ""),
    ],
)
def test_whole_words_in_front_of_a_stop_are_shown(text, stops, shown):
    assert settled(text, stops) == shown


@pytest.mark.parametrize("stops", [(), ("\n",), ("sky. Th", "end")])
def test_what_is_shown_never_changes(stops):
    """Each text so far is a beginning of the next one, and of the whole one cut before its first stop."""
    text = "The moon 月亮 is\tred.  And in the night sky. There is\n the end"
    shown = [settled(text[:size], stops) for size in range(len(text) + 1)]
    assert all(later.startswith(earlier) for earlier, later in pairwise(shown))
    whole = text
    for stop in stops:
        whole = whole.partition(stop)[0]
    assert whole.startswith(shown[-1])
