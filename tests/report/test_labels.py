"""Labels of settings: varying keys, common keys, and their order."""

from __future__ import annotations

import pytest

from frozenvl.report.labels import ordered, place, shared, without_implied, words


def test_settings_in_words():
    assert words({"demonstrations": "rices", "shots": 4}) == "demonstrations most similar, 4 shots"
    assert [words({"seeds": seeds}) for seeds in ("1", "0, 1")] == ["seed 1", "seeds 0, 1"]
    assert (
        words({"inner_shots": 1, "ways": 5, "repeats": 1, "odd": "a\nb"})
        == "5-way, 1 inner-shot, 1 repeat, odd 'a b'"
    )
    assert words({"shots": 2, "induction": True}, but={"induction": True}) == "2 shots"


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ({"induction": False, "shots": 1}, "no induction, 1 shot"),
        ({"repeats": 0}, "0 repeats"),
        ({"gallery": 5}, "gallery 5"),  # only plural names are counts
        ({"temperature": 0.5}, "temperature 0.5"),
        ({"evaluation": "vqa-2shot"}, "vqa-2shot"),
        ({"demonstrations": "per_question"}, "demonstrations per question"),
        ({}, ""),
    ],
)
def test_each_kind_of_value_in_words(setting, text):
    assert words(setting) == text


def test_known_keys_come_first_and_others_by_name():
    assert ordered({"zeal", "shots", "ways", "beams"}) == ["ways", "shots", "beams", "zeal"]


def test_keys_implied_by_the_others_are_left_out():
    induced = [{"induction": text != "", "induction_text": text} for text in ("", "Please.")]
    assert without_implied(induced) == [{"induction": False}, {"induction": True}]


def test_an_implied_key_is_kept_if_settings_differ_only_in_it():
    texts = [{"induction": True, "induction_text": text, "episodes": "2way"} for text in ("One.", "Two.")]
    assert without_implied(texts) == [
        {"induction": True, "induction_text": text} for text in ("One.", "Two.")
    ]
    assert texts[0]["episodes"] == "2way"  # the arguments are not changed


def test_common_keys_never_include_the_number_of_shots():
    few = {"ways": 2, "shots": 4, "seeds": "0"}
    assert shared([few, few | {"seeds": "1"}, {"shots": 4}]) == {"ways": 2}
    assert shared([few, few]) == {"ways": 2, "seeds": "0"}


def test_settings_are_sorted_by_number_and_missing_values_come_first():
    settings = [{"shots": 16}, {"shots": 4}, {"ways": 2, "shots": 0}, {"shots": 4, "odd": "b"}, {}]
    assert sorted(settings, key=place) == [
        {}, {"shots": 4}, {"shots": 4, "odd": "b"}, {"shots": 16}, {"ways": 2, "shots": 0},
    ]  # fmt: skip
