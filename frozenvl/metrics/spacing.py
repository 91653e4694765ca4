"""Detection of references in writing systems that put no spaces between words."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache

from frozenvl.metrics.tokenizers import TokenizerName

# Beginning of the Unicode names of a writing system's letters → number of letters of a long word.
_EAST = dict.fromkeys(("CJK ", "IDEOGRAPHIC ", "HIRAGANA ", "KATAKANA", "HALFWIDTH KATAKANA"), 3)
_SOUTH_EAST = dict.fromkeys(("THAI ", "KHMER ", "LAO ", "MYANMAR "), 6)
_NOT_SPLIT: dict[TokenizerName, tuple[str, dict[str, int], str]] = {
    "ptb": (
        "Chinese, Japanese, Thai, Khmer, Lao or Burmese",
        _EAST | _SOUTH_EAST,
        "char, or zh for Chinese, ja for Japanese",
    ),
    "zh": ("Thai, Khmer, Lao or Burmese", _SOUTH_EAST, "char"),
    "ja": ("Thai, Khmer, Lao or Burmese", _SOUTH_EAST, "char"),
}
"""Tokenizer → languages and scripts that it does not split into words, and the tokenizers that do."""
_FIRST_LETTER = "\u0e00"
"""Start of the Thai block. All letters of these writing systems have this or a higher code point."""
_MIN_SHARE = 0.01
"""Share of all references up to which they are not noted: they change a score by about a hundredth at most."""
_MAX_SINGLE_WORDS = 0.1
"""Share of references without a space up to which a set counts as segmented: they consist of a single word."""


def spacing_note(references: Iterable[str], tokenizer: TokenizerName = "ptb") -> list[str]:
    """Returns a note on references without spaces that a tokenizer does not split into words, else nothing.

    A reference counts if at least half of its letters belong to such a writing system. References that are segmented
    ("一 只 狗") need no note.
    """
    if tokenizer not in _NOT_SPLIT:
        return []
    languages, scripts, remedy = _NOT_SPLIT[tokenizer]
    words_per_letter = cache(lambda letter: _words_per_letter(letter, scripts))
    total = unspaced = spaced = 0
    for text in references:
        total += 1
        if text.isascii() or max(text) < _FIRST_LETTER:
            continue
        letters = list(filter(str.isalpha, text))
        words = [share for share in map(words_per_letter, letters) if share]
        if len(words) < 2 or 2 * len(words) < len(letters):
            continue
        parts = sum(any(map(words_per_letter, part)) for part in text.split())
        is_spaced = parts > 1 and sum(words) <= parts
        spaced += is_spaced
        unspaced += not is_spaced
    if unspaced <= max(_MIN_SHARE * total, _MAX_SINGLE_WORDS * (unspaced + spaced)):
        return []
    return [
        f"{unspaced} of {total} references have no spaces between words ({languages}); the tokenizer {tokenizer} does "
        f"not split such texts into words, so these scores mean little: choose --tokenizer {remedy}"
    ]


def _words_per_letter(character: str, scripts: dict[str, int]) -> float:
    """Returns the share of a long word that a letter of one of the writing systems makes; 0 for other characters."""
    name = unicodedata.name(character, "") if character.isalpha() else ""
    return next((1 / letters for script, letters in scripts.items() if name.startswith(script)), 0.0)
