"""All checks: one that fails does not keep the others from their work."""

from frozenvl.doctor import CHECKS, Finding, findings


def test_a_check_that_raises_is_an_error_and_the_next_one_runs():
    def half():
        yield Finding("ok", "one")
        raise RuntimeError("a\nlong  story")

    found = list(findings({"half": half, "whole": lambda: [Finding("ok", "two")]}))
    assert found == [
        ("half", Finding("ok", "one")),
        ("half", Finding("error", "this check failed (RuntimeError: a long story)")),
        ("whole", Finding("ok", "two")),
    ]


def test_every_check_has_a_description():
    assert all(check.__doc__ for check in CHECKS.values())
