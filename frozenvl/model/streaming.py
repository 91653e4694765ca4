"""Streaming: the part of a text that can be shown while the rest is still generated."""

from __future__ import annotations

from collections.abc import Sequence

WITHOUT_SPACES = 0x2E80
"""First code point of scripts that write no spaces between words (Chinese, Japanese); a character is shown at once."""


def settled(text: str, stops: Sequence[str] = ()) -> str:
    """Returns the beginning of a generated text that cannot change any more: whole words, and no beginning of a stop.

    A word is whole when white space follows it. An incomplete character at the end (U+FFFD) is not shown.

    Args:
        text: text so far.
        stops: stop strings, which end the text and are not part of it.
    """
    for stop in stops:
        text = text.partition(stop)[0]
    end = len(text)
    for stop in stops:  # the text may end with the beginning of a stop
        sizes = range(min(len(stop) - 1, len(text)), 0, -1)
        end = min(end, len(text) - next((size for size in sizes if text.endswith(stop[:size])), 0))
    text = text[:end]
    while (
        end
        and not text[end - 1].isspace()
        and (ord(text[end - 1]) < WITHOUT_SPACES or text[end - 1] == "\ufffd")
    ):
        end -= 1
    return text[:end].rstrip()
