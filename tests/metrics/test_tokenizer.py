"""The tokeniser, compared with pycocoevalcap's Java tokeniser."""

import json
from pathlib import Path

import pytest
from languages import WORDS, sentences
from ptb_reference import hard_sentences, java_missing, java_tokens

from frozenvl.metrics.tokenizer import tokenize

CASES = json.loads(Path(__file__).with_name("ptb_cases.json").read_text())


def unequal(expected: dict[str, str]) -> dict[str, tuple[str, str]]:
    found = {text: " ".join(tokenize(text)) for text in expected}
    return {text: (found[text], tokens) for text, tokens in expected.items() if found[text] != tokens}


def test_tokens_equal_the_recorded_tokens_of_java():
    assert len(CASES) >= 2000
    assert unequal(CASES) == {}


def test_tokens_equal_those_given_by_hand():
    assert tokenize("A man's dog (U.S.) can't eat \"3 1/2\" apples, e.g. No. 5.") == [
        *(["a", "man", "'s", "dog", "-lrb-", "u.s.", "-rrb-", "ca", "n't", "eat"]),
        "3\xa01/2",
        *(["apples", "e.g.", "no.", "5"]),
    ]
    assert tokenize("") == tokenize(" ... !") == []


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("c'est bon", ["c'est", "bon"]),
        ("c’est ça", ["c’est", "ça"]),
        ("C'est la vie, c'est.", ["c'est", "la", "vie", "c'est"]),
        ("c'estimer", ["c'est", "imer"]),
        ("c'était", ["c", "était"]),
    ],
)
def test_french_elisions_are_split_as_by_java(text, tokens):
    """The right values are pycocoevalcap's."""
    assert tokenize(text) == tokens


@pytest.mark.skipif(java_missing() is not None, reason=str(java_missing()))
def test_tokens_equal_those_of_java():
    sentences = hard_sentences(600, seed=2024)
    differ = unequal(dict(zip(sentences, java_tokens(sentences), strict=True)))
    assert len(differ) <= 3, differ


@pytest.mark.skipif(java_missing() is not None, reason=str(java_missing()))
def test_tokens_in_other_languages_equal_those_of_java():
    lines = [line for language in WORDS for line in sentences(language, 40)]
    assert unequal(dict(zip(lines, java_tokens(lines), strict=True))) == {}


@pytest.mark.data
@pytest.mark.parametrize("name", ["coco_fakecap_126", "coco_human_1000"])
def test_tokens_of_real_captions(data, name):
    folder = data / "metrics" / name
    tokens = json.loads((folder / "ptb_tokenized.json").read_text())
    references: dict[str, list[str]] = {}
    for entry in json.loads((folder / "references.json").read_text())["annotations"]:
        references.setdefault(str(entry["image_id"]), []).append(entry["caption"])
    results = json.loads((folder / "results.json").read_text())
    texts = [text for image in tokens["gts"] for text in references[image]]
    expected = [line for lines in tokens["gts"].values() for line in lines]
    texts += [entry["caption"] for entry in results]
    expected += [tokens["res"][str(entry["image_id"])][0] for entry in results]
    # The recorded tokens come from one document for all captions, so this caption depends on the next line.
    depends = "A street sign marks the intersection of S Lane St. and 12th Ave S."
    pairs = {text: line for text, line in zip(texts, expected, strict=True) if text != depends}
    assert len(pairs) > 600
    assert unequal(pairs) == {}
