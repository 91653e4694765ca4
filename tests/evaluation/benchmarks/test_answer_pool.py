"""Candidates made from a pool of answers, and the orders of answers without a model."""

from __future__ import annotations

import pytest
from talks import POOL, REPLIES
from toy import Rows, question

from frozenvl.evaluation.benchmarks.answer_pool import AnswerPool, first_words
from frozenvl.util.errors import UserError

# "Is it so?" is answered by yes (4 times), no and red (3 times each); each answer once to "what colour is it?".


def test_candidates_are_the_true_answer_frequent_ones_and_random_ones():
    pool = AnswerPool(POOL)
    made = [pool.candidates("blue", f"{n}", 6, 3, 0) for n in range(40)]
    assert all(len({*one}) == 6 and list(one) == sorted(one) for one in made)
    assert all({"blue", "yes", "no", "red"} <= {*one} for one in made)
    drawn = {answer for one in made for answer in one} - {"blue", "yes", "no", "red"}
    assert drawn == {*REPLIES} - {"blue", "yes", "no", "red"}  # each of the others at some time
    assert len({*made}) > 5


def test_a_frequent_true_answer_is_replaced_among_the_frequent_ones():
    made = AnswerPool(POOL).candidates("yes", "k", 4, 3, 0)
    assert {"yes", "no", "red"} < {*made} and len(made) == 4


def test_candidates_depend_on_the_seed_and_the_round_alone():
    pool = AnswerPool(POOL)
    assert pool.candidates("blue", "1", 6, 3, 0) == AnswerPool(POOL).candidates("blue", "1", 6, 3, 0)
    assert len({pool.candidates("blue", "1", 6, 3, seed) for seed in range(20)}) > 5


def test_an_answer_that_the_pool_lacks_can_be_true():
    assert "purple" in AnswerPool(POOL).candidates("purple", "1", 6, 3, 0)


def test_too_few_answers_are_told():
    with pytest.raises(UserError, match="100 candidates need 99 wrong answers, and the pool has 9"):
        AnswerPool(POOL).candidates("yes", "1", 100, 30, 0)


def test_priors_count_answers():
    pool = AnswerPool(POOL)
    assert (pool.frequency("yes", ""), pool.frequency("pink", ""), pool.frequency("x", "")) == (5, 1, 0)
    by_words = {answer: pool.question_words(answer, "Is it now?") for answer in ("yes", "no", "red", "pink")}
    assert by_words["pink"] < 1 < by_words["red"] == by_words["no"] < by_words["yes"]
    # Among answers that are equally frequent behind these words, the more frequent one is first.
    assert pool.question_words("yes", "what colour?") > pool.question_words("pink", "what colour?") > 1
    assert pool.question_words("yes", "who is it?") == 5 / 21


def test_questions_without_turns_are_counted():
    pool = AnswerPool(Rows(question(1, answer="yes"), question(2, answer="no")))
    assert pool.frequency("no", "") == 1 and pool.question_words("no", "is it there?") > 1


def test_first_words_are_compared_in_lower_case():
    assert first_words("What  is there ?") == "what is" and first_words("Why?") == "why"
