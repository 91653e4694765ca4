"""Look of the page."""

from __future__ import annotations

import pytest

gr = pytest.importorskip("gradio", reason="the page needs Gradio: pip install 'frozenvl[serve]'")

from frozenvl.serve.theme import CSS, theme  # noqa: E402 - imports Gradio


def test_nothing_is_fetched_for_the_look_of_the_page():
    made = theme()
    assert made._stylesheets == [] and made._font_css == []
    assert {url[:5] for url in (made._get_theme_css() + CSS).split('url("')[1:]} <= {"data:"}
