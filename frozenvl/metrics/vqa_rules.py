"""Normalisation of answers in visual question answering: VQA v2's official rules, and those of other packages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from frozenvl.util.errors import UserError


def _words(text: str) -> list[str]:
    return text.split()


# Rules of VQA's official evaluation (GT-Vision-Lab/VQA, vqaEval.py), checked against its results, quirks included.
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_THOUSANDS = re.compile(r"\d,\d")
_COMMAS_IN_NUMBER = re.compile(r"\d,+\d")
_PERIOD = re.compile(r"\.(?!\d)")
_MOST_PERIODS = 32  # quirk: vqaEval.py passes a flag (re.UNICODE = 32) as the number of replacements
_NUMBERS = {
    word: str(number)
    for number, word in enumerate(_words("zero one two three four five six seven eight nine ten"))
} | {"none": "0"}
_ARTICLES = {"a", "an", "the"}
_CONTRACTIONS = _words("""
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd
    he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't
    must've needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've
    somebody'd've somebody'll somebody's someone'd someone'd've someone'll someone's something'd something'd've
    something'll that's there'd there'd've there're there's they'd they'd've they'll they're they've 'twas
    wasn't we'd've we've weren't what'll what're what's what've when's where'd where's where've who'd who'd've
    who'll who's who've why'll why're why's won't would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd
    you'd've you'll you're you've
""")
_DISTINCT = 1 << 16
"""Number of texts whose normalised form is kept: many questions share few answers."""


def _without_one_apostrophe(word: str) -> list[str]:
    return [word[:place] + word[place + 1 :] for place, letter in enumerate(word) if letter == "'"]


_RESTORED = {short: word for word in _CONTRACTIONS for short in _without_one_apostrophe(word)}
_RESTORED["somebody'd"] = "somebodyd"  # quirk: vqaEval.py has this pair the wrong way round


@lru_cache(_DISTINCT)
def trimmed(answer: str) -> str:
    """Returns an answer without white space around it, and with spaces for tabs and line ends."""
    return answer.replace("\n", " ").replace("\t", " ").strip()


@lru_cache(_DISTINCT)
def normalize_answer(answer: str) -> str:
    """Normalises an answer as VQA's official evaluation does.

    The result is in lower case, without articles, with digits for number words up to ten and apostrophes in
    contractions. A punctuation mark becomes a space. It is removed instead if it is next to a space anywhere in the
    answer, or if the answer has a number like 1,000. Periods are removed unless a digit follows.
    """
    return _normalized(trimmed(answer), _THOUSANDS)


@lru_cache(_DISTINCT)
def normalize_evalai(answer: str) -> str:
    """Normalises an answer as the EvalAI processor of TextVQA (MMF) and lmms-eval does.

    It removes commas and question marks, and splits 's off, before it follows the rules of `normalize_answer`.
    """
    split = answer.lower().replace(",", "").replace("?", "").replace("'s", " 's")
    return _normalized(trimmed(split), _COMMAS_IN_NUMBER)


@lru_cache(_DISTINCT)
def _evalai_annotated(answer: str) -> str:
    return _normalized(trimmed(answer), _COMMAS_IN_NUMBER)


def _evalai_twice(answer: str) -> str:
    return _evalai_annotated(normalize_evalai(answer))


def _normalized(answer: str, thousands: re.Pattern[str]) -> str:
    in_number = thousands.search(answer) is not None
    stripped = answer
    for mark in _PUNCTUATION:
        if mark in answer:
            beside_space = f"{mark} " in answer or f" {mark}" in answer
            stripped = stripped.replace(mark, "" if beside_space or in_number else " ")
    stripped = _PERIOD.sub("", stripped, count=_MOST_PERIODS)
    words = (_NUMBERS.get(word, word) for word in stripped.lower().split())
    return " ".join(_RESTORED.get(word, word) for word in words if word not in _ARTICLES)


RuleName = Literal["official", "lavis", "lmms", "m4c"]
Normalizers = tuple[Callable[[str], str], Callable[[str], str]]
"""Functions that normalise the prediction and an annotator's answer."""


@dataclass(frozen=True)
class Rules:
    """Normalisation of a prediction and of annotators' answers before they are compared."""

    record: str
    """Text by which scores record these rules."""
    disagreeing: Normalizers
    """Normalisation if annotators gave different answers."""
    unanimous: Normalizers
    """Normalisation if all annotators gave the same answer."""


_BOTH = (normalize_answer, normalize_answer)
RULES: Mapping[RuleName, Rules] = {
    "official": Rules("VQA v2's official", _BOTH, (trimmed, trimmed)),
    "lavis": Rules("lavis: both sides always", _BOTH, _BOTH),
    "lmms": Rules("lmms: lmms-eval's", (_evalai_twice, _evalai_annotated), (normalize_evalai, trimmed)),
    "m4c": Rules("m4c: TextVQA's", *[(normalize_evalai, normalize_evalai)] * 2),
}
"""Rules by name."""


def rules_of(name: RuleName) -> Rules:
    """Returns rules by name. Raises `UserError` if there are none of that name."""
    if name not in RULES:
        raise UserError(f"unknown VQA rules {name!r}; there are {', '.join(RULES)}")
    return RULES[name]


def recorded_rules(record: str) -> RuleName:
    """Returns the name of recorded rules; "official" if the text is no `Rules.record`."""
    return next((name for name, rules in RULES.items() if rules.record == record), "official")
