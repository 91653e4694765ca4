"""Words with special rules in the tokeniser."""

from __future__ import annotations

import pytest

from frozenvl.metrics import ptb_words
from frozenvl.metrics.ptb_words import (
    ABBREVIATIONS,
    CAPITAL_ABBREVIATIONS,
    NUMBER_ABBREVIATIONS,
    SPLIT,
    TITLES,
)
from frozenvl.metrics.tokenizer import tokenize


@pytest.mark.parametrize("name", [name for name in vars(ptb_words) if name.isupper() and name != "SPLIT"])
def test_a_list_holds_each_word_once(name):
    words = getattr(ptb_words, name)
    assert len(set(words)) == len(words) > 5


@pytest.mark.parametrize("word", [*TITLES, *ABBREVIATIONS])
def test_abbreviations_keep_their_period_in_any_case(word):
    assert (
        tokenize(f"see {word}. here") == tokenize(f"see {word.upper()}. here") == ["see", f"{word}.", "here"]
    )


@pytest.mark.parametrize("word", CAPITAL_ABBREVIATIONS)
def test_some_abbreviations_keep_their_period_only_with_a_capital(word):
    assert tokenize(f"see {word.title()}. here") == ["see", f"{word}.", "here"]
    assert tokenize(f"see {word}. here") == ["see", word, "here"]


# A single letter keeps its period whatever follows.
@pytest.mark.parametrize("word", [word for word in NUMBER_ABBREVIATIONS if len(word) > 1])
def test_some_abbreviations_keep_their_period_only_before_a_number(word):
    assert tokenize(f"see {word}. 5") == ["see", f"{word}.", "5"]
    assert tokenize(f"see {word}. here") == ["see", word, "here"]


@pytest.mark.parametrize("word", SPLIT)
def test_the_parts_of_split_words_join_to_the_word(word):
    assert "".join(SPLIT[word]) == word
    assert tokenize(f"I {word.title()} go") == ["i", *SPLIT[word], "go"]
