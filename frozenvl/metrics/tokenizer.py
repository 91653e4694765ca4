"""Penn Treebank tokenisation of captions, equal to pycocoevalcap's Java tokeniser token for token."""

from __future__ import annotations

import re
from functools import lru_cache

from frozenvl.metrics.ptb_rules import (
    ADD_PERIOD,
    KEEP,
    LETTER_RULES,
    NUMBER_RULES,
    OTHER_RULES,
    QUOTE,
    VERBATIM,
)
from frozenvl.metrics.ptb_words import SPLIT

PUNCTUATION = frozenset(
    ["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";"]
)
"""Tokens that pycocoevalcap drops. (Brackets are lower-cased before, "-lrb-", so they are kept.)"""

_LINE_ENDS = re.compile("[\n\r\v\f\u2028\u2029]")

# Fast path: words that are tokens without any change, except those in `SPLIT`.
_PLAIN = re.compile("(?:[A-Za-z]+ +)+")

# A word and the spaces after it. Its tokens do not depend on the text that follows, so they can be cached. Excluded is
# a period before a number or another period, where they do ("No. 5", ". . .").
_ORDINARY = re.compile(r"(?:[A-Za-z]+['-])*(?:[A-Za-z]{2,}\.(?![ ]+[0-9.])|[A-Za-z]+[,;:!?]?)(?:[ ]+|$)")

_QUOTES = str.maketrans(
    dict.fromkeys("\x91\u2018\u201b\u2039", "`")
    | dict.fromkeys("\x92\u2019\u203a", "'")
    | dict.fromkeys("\x93\u201c\xab", "``")
    | dict.fromkeys("\x94\u201d\xbb", "''")
)
_ESCAPES = str.maketrans({"(": "-lrb-", ")": "-rrb-", " ": "\xa0"})


def tokenize(caption: str) -> list[str]:
    """Splits a caption into the words that BLEU, CIDEr and ROUGE-L compare: lower case, without punctuation.

    The tokens equal the output of pycocoevalcap's `PTBTokenizer` (Stanford CoreNLP 3.4.1, `-preserveLines -lowerCase`)
    for this caption alone, with line separators replaced by spaces. Brackets become -lrb- and -rrb-. A token may hold
    a no-break space (phone numbers, 1 1/2) and, in unusual input, what pycocoevalcap does not count as punctuation.
    """
    text = _LINE_ENDS.sub(" ", caption)
    tokens: list[str] = []
    at = 0
    while at < len(text):
        if plain := _PLAIN.match(text, at):
            words = plain.group().lower().split()
            if not SPLIT.keys().isdisjoint(words):
                words = [token for word in words for token in SPLIT.get(word, (word,))]
            tokens += words
            at = plain.end()
        elif ordinary := _ORDINARY.match(text, at):
            tokens += _ordinary_tokens(ordinary.group())
            at = ordinary.end()
        else:
            token, at = _next_token(text, at)
            if token and token not in PUNCTUATION:
                tokens.append(token)
    if tokens and tokens[-1][-1].isspace():  # a no-break space at the end of an address
        tokens[-1] = tokens[-1].rstrip()
    return tokens


@lru_cache(maxsize=1 << 16)
def _ordinary_tokens(text: str) -> list[str]:
    word = text.rstrip(" ").lower()
    if word.isalpha():
        return SPLIT.get(word, [word])
    tokens: list[str] = []
    at = 0
    while at < len(text):
        token, at = _next_token(text, at)
        if token and token not in PUNCTUATION:
            tokens.append(token)
    return tokens


def _next_token(text: str, at: int) -> tuple[str, int]:
    """Returns the token that begins at `at`, and the position where it ends; "" for text that is dropped."""
    first = text[at]
    if first == " ":
        return "", at + 1
    rules = OTHER_RULES
    if first.isascii():
        rules = LETTER_RULES if first.isalpha() else NUMBER_RULES if first.isdigit() else OTHER_RULES
    longest, end, token = at, at + 1, ""
    for pattern, replacement in rules:
        match = pattern.match(text, at)
        if match and match.end() > longest:
            longest = match.end()
            end = match.end(1) if pattern.groups else longest
            token = _written(text[at:end].lower(), replacement)
    return token, end


def _written(matched: str, replacement: str | None) -> str:
    """Returns the token that a rule's replacement makes of the matched text."""
    if replacement is KEEP:
        return matched.translate(_ESCAPES).replace("\xad", "").replace("&amp;", "&")
    if replacement == VERBATIM:
        return matched.translate(_ESCAPES)
    if replacement == QUOTE:
        return matched.translate(_QUOTES)
    return f"{matched}." if replacement == ADD_PERIOD else replacement
