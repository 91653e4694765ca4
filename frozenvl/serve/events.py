"""Handlers of the page: errors are one line, and the models answer one question at a time."""

from __future__ import annotations

import functools
import html
import inspect
from collections.abc import Callable
from typing import Any

import gradio as gr

from frozenvl.cli import explain

ONE_AT_A_TIME: dict[str, Any] = {
    "concurrency_id": "model",
    "concurrency_limit": 1,
    "api_visibility": "private",
}
"""Options of events that use a model: all of them share one queue, which serves one event at a time."""
AT_ONCE: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""Options of events that only change the page."""


def one_line(error: Exception) -> gr.Error:
    """Returns an error as the page shows it: the line that the command would print."""
    line, _ = explain(error)
    # The page renders messages as HTML, and a file's name may spell a tag.
    return gr.Error(html.escape(line), duration=None, title="", print_exception=False)


def guarded(function: Callable) -> Callable:
    """Returns a handler whose exceptions are one line on the page. Generators stay generators."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def stream(*values: Any) -> Any:
            try:
                yield from function(*values)
            except Exception as error:
                raise one_line(error) from None

        return stream

    @functools.wraps(function)
    def call(*values: Any) -> Any:
        try:
            return function(*values)
        except Exception as error:
            raise one_line(error) from None

    return call
