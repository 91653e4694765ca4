"""Content words of captions: the most frequent ones are tags, and a caption that has one makes it true."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STOP_WORDS = _words("""
    a an the this that these those some any each every all both another other others such same no not none
    i me my mine you your yours he him his she her hers it its we us our ours they them their theirs
    himself herself itself themselves myself yourself oneself one ones someone something anyone anything
    who whom whose which what where when while why how as if than then so because until although though
    and or but nor yet either neither also too very just only even still again more most much many few less least
    of in on at by for with without from to into onto upon over under above below between among through during before
    after behind beside besides beyond near next against along around across about off out up down inside outside
    toward towards within away back together apart there here
    is are was were be been being am do does did doing done has have had having can could may might must shall should
    will would get gets getting got
    isn't aren't doesn't don't can't it's that's there's he's she's they're
""")
"""English function words that are no tags: articles, pronouns, conjunctions, prepositions, auxiliaries, particles.

Numbers ("two"), colours, verbs ("running") and nouns of every kind are content words."""
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def words_of(text: str) -> list[str]:
    """Returns the words of a text in lower case: letters, with hyphens and apostrophes between them."""
    return [word.replace("’", "'") for word in _WORD.findall(text.lower())]


def most_frequent_words(captions: Iterable[str], size: int) -> list[str]:
    """Returns the content words that the most captions contain, the most frequent first, equal ones by alphabet."""
    counts: Counter[str] = Counter()
    for caption in captions:
        counts.update({word for word in words_of(caption) if len(word) > 1} - STOP_WORDS)
    return sorted(counts, key=lambda word: (-counts[word], word))[:size]


def number_with(captions: Sequence[str], tags: Sequence[str]) -> list[int]:
    """Returns the number of captions that contain each tag.

    A tag of several words ("traffic light") has to stand in the caption as it is. Words are compared as they are
    written: "dogs" is not "dog".
    """
    texts = [f" {' '.join(words_of(caption))} " for caption in captions]
    wanted = [f" {' '.join(words_of(tag))} " for tag in tags]
    return [sum(tag in text for text in texts) if tag.strip() else 0 for tag in wanted]
