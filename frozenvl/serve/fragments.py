"""Pieces of HTML on the page. Every text in them is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from frozenvl.serve.engine import Token


def prompt_html(tokens: Sequence[Token]) -> str:
    """Returns a prompt token by token, with the images where they stand."""
    images = [token for token in tokens if token.id < 0]
    texts = len(tokens) - len(images)
    vectors = sum(token.positions for token in images)
    head = f"{texts + vectors} positions: {texts} text tokens, {vectors} image vectors"
    pieces = [
        f'<span class="i" title="{token.positions} vectors">{escape(token.text)} × {token.positions}</span>'
        if token.id < 0
        else f'<span class="t" title="token {token.id}">{escape(_visible(token.text))}</span>'
        for token in tokens
    ]
    return f'<p class="prompt-head">{head}</p><div class="prompt">{"".join(pieces)}</div>'


def _visible(text: str) -> str:
    return text.replace("\n", "↵\n")


def bars_html(ranked: Sequence[tuple[str, float]]) -> str:
    """Returns texts with their probabilities as bars."""
    rows = "".join(
        f'<div class="text">{escape(text)}</div><div class="track"><div class="bar" style="width:{share:.2%}"></div>'
        f'</div><div class="share">{share:.1%}</div>'
        for text, share in ranked
    )
    return f'<div class="bars">{rows}</div>'


def header_html(names: Sequence[str], summaries: Sequence[str]) -> str:
    """Returns the title of the page and a line for each model."""
    lines = [
        f"<p>{f'<b>{escape(name)}</b>: ' if len(names) > 1 else ''}{escape(summary)}</p>"
        for name, summary in zip(names, summaries, strict=True)
    ]
    return f'<header id="top"><h1>{escape(" · ".join(names))}</h1>{"".join(lines)}</header>'
