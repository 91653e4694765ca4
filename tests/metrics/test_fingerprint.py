"""Fingerprint of the references that a score was computed against."""

from __future__ import annotations

from frozenvl.metrics.fingerprint import digest

REFERENCES = {"1": ["a dog", "ein Käfer"], "2": ["a cat"]}


def test_the_digest_depends_on_ids_and_texts_but_not_on_the_order_of_ids():
    assert digest(dict(reversed(REFERENCES.items()))) == digest(REFERENCES)
    changed = [
        REFERENCES | {"1": ["ein Käfer", "a dog"]},
        REFERENCES | {"2": ["a cat", "a cat"]},
        {"1": REFERENCES["2"], "2": REFERENCES["1"]},
        {"1": REFERENCES["1"]},
    ]
    assert len({digest(each) for each in [REFERENCES, *changed]}) == 5


def test_the_digest_never_changes():
    """Score files of earlier versions hold it."""
    assert digest(REFERENCES) == "bb21291dba70f22d"
