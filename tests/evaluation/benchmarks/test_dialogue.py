"""Rounds of conversations: prompts by history, ids, images, and rounds after the model's own replies."""

from __future__ import annotations

from dataclasses import replace

import pytest
from suites import toy
from talks import TALK, TEXTS, talk
from toy import Rows, question, words

from frozenvl.evaluation import DialogueGeneration
from frozenvl.evaluation.benchmarks.dialogue import alone, turns_of
from frozenvl.evaluation.query import Answer
from frozenvl.prompt import Delimiter, Example, Turn
from frozenvl.util.errors import UserError
from frozenvl.wording import Template


def asked(*examples: Example, history=("gold",), **options) -> dict[str, list]:
    made = toy(toy=DialogueGeneration(source=Rows(*examples), history=history, **options))["toy"]
    return {setting.name: list(made.queries(setting)) for setting in made.settings()}


def shown(query) -> str:
    return "".join(
        f"[{part.border}]" if isinstance(part, Delimiter) else words((part,)) for part in query.prompt
    )


def test_each_round_is_asked_with_the_true_turns_before_it():
    queries = asked(TALK)["gold-history"]
    assert [query.id for query in queries] == ["7/1", "7/2", "7/3"]
    assert [query.kind for query in queries] == [{"round": "1"}, {"round": "2"}, {"round": "3"}]
    assert [query.references for query in queries] == [("yes",), ("no",), ("a child",)]
    assert shown(queries[0]) == "<7.png>Question: Is it red? Answer:"
    assert shown(queries[2]) == (
        "<7.png>Question: Is it red? Answer: yes[end]\nQuestion: Is it large? Answer: no[end]\n"
        "Question: What is it? Answer:"
    )
    assert {(q.image, q.image_id) for q in queries} == {(TALK.image, "image 7")}
    assert queries[0].question == "Is it red?"


def test_without_history_a_round_is_asked_alone_behind_the_image():
    queries = asked(TALK, history=("none",))["no-history"]
    assert [shown(query) for query in queries] == [
        f"<7.png>Question: {text} Answer:" for text in ("Is it red?", "Is it large?", "What is it?")
    ]


def test_settings_ask_the_same_rounds():
    by_setting = asked(TALK, talk("b", ("a", "b"), ("c", "d")), history=("gold", "none"))
    assert [*by_setting] == ["gold-history", "no-history"]
    gold, none = by_setting.values()
    assert [query.id for query in gold] == [query.id for query in none]
    assert gold[0].prompt == none[0].prompt and gold[1].prompt != none[1].prompt


def test_with_a_chat_template_turns_are_messages():
    queries = asked(TALK, template=Template("{image}{question}", chat=True))["gold-history"]
    assert shown(queries[1]) == ("[opening]<7.png>Is it red?[reply]yes[end of turn][next]Is it large?[reply]")


def test_a_question_is_a_conversation_of_one_round():
    queries = asked(question(3), history=("gold", "none"))
    assert [shown(query) for found in queries.values() for query in found] == [
        "<3.png>Question: Is it 3? Answer:"
    ] * 2
    assert queries["gold-history"][0].id == "q3"


def test_conversations_without_an_image_are_asked():
    (first, second) = asked(TEXTS)["gold-history"]
    assert first.image is None and shown(first) == "Question: Say 3. Answer:"
    assert shown(second) == "Question: Say 3. Answer: 3[end]\nQuestion: Again? Answer:"


def test_alone_a_turn_keeps_the_images_shown_so_far():
    other = talk("b", ("x", "y")).image
    turns = (*TALK.turns[:1], Turn((other, "And this?"), "no"), Turn(("Both?",), "yes"))
    assert alone(turns, 2).message == (TALK.image, other, "Both?")
    assert alone(turns, 1).message == (TALK.image, other, "And this?")
    assert alone(turns, 0).message == turns[0].message


def test_turns_without_ids_are_numbered():
    example = replace(TALK, turns=tuple(replace(turn, id="") for turn in TALK.turns))
    assert [query.id for query in asked(example)["gold-history"]] == ["7/1", "7/2", "7/3"]


def test_own_replies_stand_in_front_of_later_rounds():
    made = toy(toy=DialogueGeneration(source=Rows(TALK, TEXTS), history=["own"]))["toy"]
    (setting,) = made.settings()
    answers = {}
    new = list(made.queries(setting))
    found = []
    while new:
        found.append([query.id for query in new])
        answers |= {query.id: Answer(query, f"said {query.id}") for query in new}
        new = [query for query in made.further_queries(setting, answers) if query.id not in answers]
    assert found == [["7/1", "text/1"], ["7/2", "text/2"], ["7/3"]]
    assert shown(answers["7/3"].query) == (
        "<7.png>Question: Is it red? Answer: said 7/1[end]\nQuestion: Is it large? Answer: said 7/2[end]\n"
        "Question: What is it? Answer:"
    )


def test_conversations_whose_first_round_is_not_asked_go_no_further():
    """A limited evaluation asks some of the conversations, to their end."""
    made = toy(toy=DialogueGeneration(source=Rows(TALK, TEXTS), history=["own"]))["toy"]
    (setting,) = made.settings()
    first = made.queries(setting)[0]
    answers = {first.id: Answer(first, "yes")}
    assert [query.id for query in made.further_queries(setting, answers)] == ["7/2"]


@pytest.mark.parametrize("history", [["true"], [], ["gold", "gold"]])
def test_wrong_histories_are_told(history):
    with pytest.raises(UserError, match="choose among gold, own, none"):
        DialogueGeneration(source=Rows(TALK), history=history)


def test_captions_are_told_to_be_no_conversations():
    caption = Example("c", TALK.image, "c", ("a cat",))
    with pytest.raises(UserError, match="example c has no turns"):
        turns_of(caption)
