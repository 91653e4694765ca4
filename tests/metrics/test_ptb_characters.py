"""Classes of characters outside ASCII in the tokeniser."""

from __future__ import annotations

import re

import pytest

from frozenvl.metrics.ptb_characters import LETTERS, MARKS, SYMBOLS, character_class

TABLES = {"letters": LETTERS, "marks": MARKS, "symbols": SYMBOLS}


def characters(table: str) -> set[str]:
    pattern = re.compile(f"[{character_class(table)}]")
    return {chr(code) for code in range(0x10000) if pattern.match(chr(code))}


def test_ranges_include_both_ends():
    assert character_class("aa 5d0-5d2") == "\xaa\u05d0-\u05d2"
    assert characters("aa 5d0-5d2") == set("\xaa\u05d0\u05d1\u05d2")


def test_classes_are_disjoint_and_without_ascii():
    found = {name: characters(table) for name, table in TABLES.items()}
    assert sum(map(len, found.values())) == len(set.union(*found.values()))
    assert not any(character.isascii() for each in found.values() for character in each)


@pytest.mark.parametrize(
    ("name", "some"),
    [("letters", "éßдא語한"), ("marks", "\u0301\u0591\u093f"), ("symbols", "©°×‰→")],
)
def test_examples_are_in_their_class(name, some):
    assert {kind for kind, table in TABLES.items() if set(some) <= characters(table)} == {name}
