"""Normalisation of answers: the official rules, and those of other packages beside a second writing of them."""

from __future__ import annotations

import re

import pytest

from frozenvl.metrics.vqa import vqa_accuracy
from frozenvl.metrics.vqa_rules import RULES, normalize_answer, normalize_evalai, recorded_rules, rules_of
from frozenvl.util.errors import UserError


@pytest.mark.parametrize(
    ("answer", "normal"),
    [
        ("Yes.", "yes"),
        ("The Two dogs", "2 dogs"),
        ("none", "0"),
        ("dont", "don't"),
        ("couldnt've", "couldn't've"),
        ("ows'at", "ows'at"),
        ("'owsat", "'owsat"),
        ("twas", "'twas"),
        ("somebody'd", "somebodyd"),
        ("black/white", "black white"),
        ("black / white", "black white"),
        ("garbage_bin", "garbage bin"),
        ("1,000 men/women", "1000 menwomen"),
        ("3.5", "3.5"),
        (".5 mi.", ".5 mi"),
        ("8 o'clock:", "8 o'clock:"),
        (" \tA\nman ", "man"),
        ("." * 40, "." * 8),
    ],
)
def test_answers_are_normalised(answer, normal):
    assert normalize_answer(answer) == normal


@pytest.mark.parametrize(
    ("answer", "normal"),
    [
        ("man's", "man 's"),
        ("black,white", "blackwhite"),
        ("The two, really?", "2 really"),
        ("Black/White", "black white"),
    ],
)
def test_evalai_splits_possessives_and_joins_at_commas(answer, normal):
    assert normalize_evalai(answer) == normal


def test_commas_in_numbers_differ_between_the_two():
    """EvalAI's pattern takes several commas in a number; VQA's takes one."""
    answers = ["1,,000 m/s", *["x"] * 9]
    of_prediction, of_answer = rules_of("lmms").disagreeing
    assert of_answer(answers[0]) == "1000 ms" and normalize_answer(answers[0]) == "1 000 m s"
    assert of_prediction("1,000") == "1000"


# The same rules written a second time, from their descriptions: VQA's vqaEval.py, lmms-eval's vqav2 and MMF's m4c.
CONTRACTIONS = {"dont": "don't", "oclock": "o'clock"}  # those that the cases need
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def punctuation(text: str, comma: str) -> str:
    written = text
    for mark in r""";/[]"{}()=+\_-><@`,?!""":
        beside_space = mark + " " in text or " " + mark in text
        written = written.replace(mark, "" if beside_space or re.search(comma, text) else " ")
    return re.sub(r"\.(?!\d)", "", written, count=32)


def words(text: str) -> str:
    kept = [word for word in text.lower().split() if word not in ("a", "an", "the")]
    digits = ["0" if w == "none" else str(NUMBERS.index(w)) if w in NUMBERS else w for w in kept]
    return " ".join(CONTRACTIONS.get(word, word) for word in digits)


def plain(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


def vqa_eval(text: str) -> str:
    return words(punctuation(plain(text), r"(\d)(,)(\d)"))


def evalai_part(text: str) -> str:
    return words(punctuation(plain(text), r"(?<=\d)(,)+(?=\d)"))


def evalai(text: str) -> str:
    return evalai_part(text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip())


def second_writing(prediction: str, answers: list[str], rules: str) -> float:
    answers = [plain(answer) for answer in answers]
    several = len(set(answers)) > 1
    if rules == "official":
        said, given = plain(prediction), answers
        if several:
            said, given = vqa_eval(prediction), list(map(vqa_eval, answers))
    elif rules == "lavis":
        said, given = vqa_eval(prediction), list(map(vqa_eval, answers))
    elif rules == "lmms":
        said, given = evalai(prediction), answers
        if several:
            said, given = evalai_part(said), list(map(evalai_part, answers))
    else:
        said, given = evalai(prediction), list(map(evalai, answers))
    others = [given[:place] + given[place + 1 :] for place in range(len(given))]
    return 100 * sum(min(1, rest.count(said) / 3) for rest in others) / len(given)


def ten(text: str) -> list[str]:
    """Returns ten answers: "yes*9|no*1", or "yes" for ten times the same."""
    if "*" not in text:
        return [text] * 10
    pairs = (part.rsplit("*", 1) for part in text.split("|"))
    return [answer for answer, count in pairs for _ in range(int(count))]


DIFFERENT = [
    # prediction, annotators' answers, accuracy by the rules official, lavis, lmms, m4c
    ("Yes", "yes", 0, 100, 100, 100),
    ("yes.", "yes", 0, 100, 100, 100),
    ("two", "2", 0, 100, 100, 100),
    ("the dog", "dog", 0, 100, 100, 100),
    ("2", "two", 0, 100, 0, 100),
    ("none", "none", 100, 100, 0, 100),
    ("1,000", "1000", 0, 100, 100, 100),
    ("man's", "mans*3|man's*7", 100, 100, 0, 100),
    ("McDonald's", "mcdonalds*9|mcdonald's*1", 30, 30, 0, 30),
    ("mcdonald's", "mcdonald's", 100, 100, 0, 100),
    ("it's", "its*9|it's*1", 30, 30, 0, 30),
    ("black,white", "black white*9|black*1", 100, 100, 0, 0),
    ("STOP", "stop", 0, 100, 100, 100),
    ("stop?", "stop", 0, 100, 100, 100),
]
EQUAL = [
    ("Yes, it is", "yes"),
    (" yes\n", "yes"),
    ("Dog", "dog*9|puppy*1"),
    ("none", "0*9|none*1"),
    ("1,000", "1000*8|1,000*2"),
    ("1, 000", "1000*9|many*1"),
    ("3.5", "3.5*9|3*1"),
    ("3.", "3*9|4*1"),
    ("$5.00", "$5.00*8|5*2"),
    ("5:30 pm", "5:30*5|5:30pm*3|5:30 pm*2"),
    ("10 o'clock", "10 oclock*8|10*2"),
    ("10%", "10 %*9|10*1"),
    ("1/2", "half*3|1/2*7"),
    ("don't know", "dont know*9|unknown*1"),
    ("t-shirt", "t shirt*8|tshirt*2"),
    ("t- shirt", "tshirt*9|shirt*1"),
    ("black and white", "black, white*3|black and white*7"),
    ("black , white", "black white*9|black*1"),
    ("a", "a*9|b*1"),
    ("the", "*9|x*1"),
    ("A & B", "a and b*9|a & b*1"),
    ("ten", "10*9|eleven*1"),
    ("eleven", "11*9|eleven*1"),
    ("zero", "none*9|0*1"),
    ("twenty one", "21*9|twenty-one*1"),
    ("café", "cafe*9|café*1"),
    ("STOP!", "stop*7|STOP*3"),
    ("U.S.A.", "usa*9|us*1"),
    ("www.x.com", "wwwxcom*9|x*1"),
    ("7-eleven", "7 eleven*9|7-11*1"),
    ("yes", "yes*2|no*8"),
    ("yes", "yes*1|no*9"),
    ("yes", "yes*3|no*7"),
    ("unanswerable", "unanswerable*6|unsuitable*4"),
    ("", "*9|x*1"),
    ("red\tand\nblue", "red and blue*9|red*1"),
]


@pytest.mark.parametrize("case", DIFFERENT, ids=lambda case: f"{case[0]}-{case[1]}")
def test_rules_that_differ(case):
    prediction, answers, *expected = case
    found = [vqa_accuracy(prediction, ten(answers), name) for name in RULES]
    assert found == expected
    assert [second_writing(prediction, ten(answers), name) for name in RULES] == pytest.approx(expected)


@pytest.mark.parametrize(("prediction", "answers"), EQUAL, ids=lambda text: repr(text))
def test_rules_that_agree(prediction, answers):
    given = ten(answers)
    assert len(given) == 10
    found = {name: vqa_accuracy(prediction, given, name) for name in RULES}
    assert len(set(found.values())) == 1
    assert found == pytest.approx({name: second_writing(prediction, given, name) for name in RULES})


def test_rules_are_found_by_name_and_by_record():
    assert [recorded_rules(RULES[name].record) for name in RULES] == list(RULES)
    assert len({rules.record for rules in RULES.values()}) == len(RULES)
    assert recorded_rules("VQA v2's official; one gold answer, matched exactly") == "official"
    with pytest.raises(UserError, match="unknown VQA rules 'blip'; there are official, lavis, lmms, m4c"):
        rules_of("blip")
