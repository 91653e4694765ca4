"""Token patterns: the longest match of a set of rules, and its replacement."""

from __future__ import annotations

import pytest

from frozenvl.metrics.ptb_rules import (
    ADD_PERIOD,
    KEEP,
    LETTER_RULES,
    NUMBER_RULES,
    OTHER_RULES,
    QUOTE,
    VERBATIM,
)


def longest(rules: list, text: str) -> tuple[str, str | None]:
    """Returns the token at the start of a text and its replacement; of equally long matches, the first."""
    matches = [(match, becomes) for pattern, becomes in rules if (match := pattern.match(text))]
    match, becomes = max(matches, key=lambda pair: pair[0].end())
    return match[1] if match.re.groups else match[0], becomes


@pytest.mark.parametrize(
    ("rules", "text", "token", "becomes"),
    [
        (LETTER_RULES, "dog's tail", "dog", KEEP),
        (LETTER_RULES, "don't", "do", KEEP),
        (LETTER_RULES, "n't go", "n't", QUOTE),
        (LETTER_RULES, "O'Neil runs", "O'Neil", KEEP),
        (LETTER_RULES, "mother-in-law's", "mother-in-law", KEEP),
        (LETTER_RULES, "U.S. flag", "U.S.", KEEP),
        (LETTER_RULES, "AT&T store", "AT&T", KEEP),
        (LETTER_RULES, "Mr. Smith", "Mr.", KEEP),
        (LETTER_RULES, "etc.5", "etc", ADD_PERIOD),
        (LETTER_RULES, "cannot go", "can", KEEP),
        (LETTER_RULES, "and/or not", "and/or", KEEP),
        (LETTER_RULES, "www.flickr.com/photos/x here", "www.flickr.com/photos/x", VERBATIM),
        (LETTER_RULES, "first.last@mail.co.uk now", "first.last@mail.co.uk", VERBATIM),
        (NUMBER_RULES, "1,000,000.50 now", "1,000,000.50", KEEP),
        (NUMBER_RULES, "10:30pm", "10:30", KEEP),
        (NUMBER_RULES, "3 1/2 cups", "3 1/2", KEEP),
        (NUMBER_RULES, "555-123-4567", "555-123-4567", KEEP),
        (NUMBER_RULES, "3D glasses", "3D", KEEP),
        (OTHER_RULES, "'s tail", "'s", QUOTE),
        (OTHER_RULES, "'tis", "'t", KEEP),
        (OTHER_RULES, "'em all", "'em", KEEP),
        (OTHER_RULES, "-5 degrees", "-5", KEEP),
        (OTHER_RULES, "(555) 123-4567", "(555) 123-4567", KEEP),
        (OTHER_RULES, "(a", "(", "-lrb-"),
        (OTHER_RULES, "€5", "€", "$"),
        (OTHER_RULES, "½ cup", "½", "1/2"),
        (OTHER_RULES, "&amp; so", "&amp;", "&"),
        (OTHER_RULES, ":-) he", ":-)", KEEP),
        (OTHER_RULES, "<b>", "<b>", KEEP),
        (OTHER_RULES, "é", "é", KEEP),
        (OTHER_RULES, "“so”", "“", QUOTE),
        (OTHER_RULES, "... and", "...", "."),
    ],
)
def test_the_longest_token_and_its_replacement(rules, text, token, becomes):
    assert longest(rules, text) == (token, becomes)


@pytest.mark.parametrize("rules", [LETTER_RULES, NUMBER_RULES, OTHER_RULES])
def test_a_pattern_has_at_most_one_group_and_never_matches_empty_text(rules):
    for pattern, _ in rules:
        assert pattern.groups <= 1 and not pattern.match(""), pattern.pattern
