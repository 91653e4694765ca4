"""Handlers of the page."""

from __future__ import annotations

import pytest

gr = pytest.importorskip("gradio", reason="the page needs Gradio: pip install 'frozenvl[serve]'")

from frozenvl.serve.events import guarded  # noqa: E402 - imports Gradio
from frozenvl.util.errors import UserError  # noqa: E402


def test_errors_are_one_escaped_line():
    @guarded
    def fails(value: str) -> str:
        raise UserError(f"<img>{value}: not a readable image")

    with pytest.raises(gr.Error) as error:
        fails("a.png")
    assert error.value.message == "&lt;img&gt;a.png: not a readable image"
    assert not error.value.print_exception


def test_a_generator_stays_one():
    @guarded
    def counts(number: int):
        yield number
        raise ValueError("two\nlines")

    values = counts(1)
    assert next(values) == 1
    with pytest.raises(gr.Error) as error:
        next(values)
    assert error.value.message.startswith("ValueError: two lines (run again with --debug")
