"""Pieces of HTML on the page."""

from __future__ import annotations

from frozenvl.serve.engine import Token
from frozenvl.serve.fragments import bars_html, header_html, prompt_html


def test_texts_are_escaped():
    tokens = [Token("<b>.png", -1, 4), Token("<script>", 7), Token("\n", 8)]
    html = prompt_html(tokens)
    assert "<script>" not in html and "<b>" not in html and "&lt;script&gt;" in html
    assert "6 positions: 2 text tokens, 4 image vectors" in html and 'title="token 7"' in html and "↵" in html
    assert "&lt;i&gt;" in bars_html([("<i>", 0.75), ("b", 0.25)]) and "75.0%" in bars_html([("a", 0.75)])
    assert "<i>" not in header_html(["<i>"], ["<i> → a"])


def test_names_stand_before_their_models_if_there_are_two():
    assert "<b>" not in header_html(["a"], ["x"])
    assert header_html(["a", "b"], ["x", "y"]).count("<b>") == 2
