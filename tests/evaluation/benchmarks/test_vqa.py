"""Few-shot question answering: exact prompts, and baselines computed by hand."""

from __future__ import annotations

import pytest
from suites import CHOOSING
from toy import Rows, question, words

from frozenvl.data.stream import Task
from frozenvl.evaluation import FewShotVQA, Fixed
from frozenvl.evaluation.query import Answer
from frozenvl.metrics.vqa_rules import RULES
from frozenvl.util.errors import UserError
from frozenvl.wording import VQA

POOL = Rows(
    question(10, text="What is it?", answer="a cat"), question(11, answer="no"), question(12, answer="no")
)
QUERY = question(0, text="What color is it?", answer="red")


def benchmark(*queries, **options) -> FewShotVQA:
    made = FewShotVQA(source=Rows(*queries or [QUERY]), **{"pool": POOL, "shots": [0, 2]} | options)
    made.name = "toy"
    made.bind({}, {})
    made.way.prepare(made.source, POOL, lambda done, total: None)
    return made


def prompts(made: FewShotVQA) -> dict[str, str]:
    return {setting.name: words(made.queries(setting)[0].prompt) for setting in made.settings()}


def test_prompts_of_zero_and_two_shots_with_and_without_induction():
    instruction = "Please answer the question.\n"
    found = prompts(benchmark(shots=[0, 2], induction=["", instruction], pool=Rows(*POOL.examples[:2])))
    query = "<0.png>Question: What color is it? Answer:"
    cat = "<10.png>Question: What is it? Answer: a cat\n"
    number = "<11.png>Question: Is it 11? Answer: no\n"
    assert found["0shot"] == query and found["0shot-induced"] == instruction + query
    assert found["2shot"] in (cat + number + query, number + cat + query)
    assert found["2shot-induced"] == instruction + found["2shot"]


def test_settings_have_names_and_facts():
    made = benchmark(shots=[0, 2], seeds=[3, 4], induction=["", "Please.\n"])
    assert [setting.name for setting in made.settings()] == [
        "0shot", "0shot-induced",
        "2shot-seed3", "2shot-seed4", "2shot-induced-seed3", "2shot-induced-seed4",
    ]  # fmt: skip
    assert made.settings()[-1].facts == {
        "shots": 2, "induction": True, "demonstrations": "per_question", "seed": 4,
        "induction_text": "Please.\n",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "shared"),
    [
        ({"shots": [0]}, []),
        ({"shots": [0], "induction": ["Please.\n"]}, ["Please.\n"]),
        ({"shots": [2]}, []),
        ({"shots": [2], "way": Fixed()}, None),
    ],
)
def test_the_shared_prefix_of_queries_is_the_same_in_all_their_prompts(options, shared):
    made = benchmark(QUERY, question(1), question(2), **options)
    (setting,) = made.settings()
    queries = [made.queries(setting)[index] for index in range(3)]
    leads = [query.prompt[: query.shared] for query in queries]
    assert all(lead == leads[0] for lead in leads)
    assert len(leads[0]) == 4 if shared is None else list(leads[0]) == shared
    assert all(query.prompt[query.shared] is query.image for query in queries if query.shared)


def test_the_most_frequent_answer_of_the_pool_is_a_baseline():
    """Two of ten annotators gave it to question 1: leaving each out in turn, 0.6 of the full score."""
    some = question(1, references=("no", "no", *["red"] * 8))
    made = benchmark(question(0, answer="no"), some, question(2, answer="yes"))
    (_, few) = made.settings()
    found = made.baselines(few)
    assert found == {"most_frequent": pytest.approx((100 + 60 + 0) / 3)}


def test_soft_scores_are_used_if_the_data_set_has_them():
    soft = question(0, references=("red", "pink"), scores={"red": 1.0, "pink": 0.3})
    other = question(1, references=("dog",), scores={"dog": 0.6})
    made = benchmark(soft, other)
    (setting, _) = made.settings()
    queries = made.queries(setting)
    answers = {"q0": Answer(queries[0], "Pink."), "q1": Answer(queries[1], "cat")}
    assert made.score(setting, answers).scores["overall"] == pytest.approx(15)
    assert made.right(answers["q0"]) == pytest.approx(0.3) and made.right(answers["q1"]) == 0


def answers_to(made: FewShotVQA, text: str) -> dict[str, Answer]:
    queries = made.queries(made.settings()[0])
    return {queries[n].id: Answer(queries[n], text) for n in range(len(queries))}


def test_rules_score_answers_and_baselines_and_are_recorded():
    """All ten annotators gave "Red": under the official rules "red." is wrong."""
    unanimous = question(0, references=("Red",) * 10)
    pool = Rows(question(10, answer="red."), question(11, answer="red."))
    found = {}
    for rules in RULES:
        made = benchmark(unanimous, pool=pool, rules=rules)
        (setting, _) = made.settings()
        answers = answers_to(made, "red.")
        scores = made.score(setting, answers).scores
        right = [made.right(answer) for answer in answers.values()]
        found[rules] = (scores["overall"], *right, made.baselines(setting)["most_frequent"])
        assert setting.provenance["normalisation"] == RULES[rules].record
    assert found == {"official": (0, 0, 0), "lavis": (100, 1, 100), "lmms": (0, 0, 0), "m4c": (100, 1, 100)}
    with pytest.raises(UserError, match="unknown VQA rules 'strict'"):
        benchmark(rules="strict")


def test_rules_that_would_give_another_score_are_noted():
    made = benchmark(question(0, references=("red",) * 10))
    scored = made.score(made.settings()[0], answers_to(made, "Red."))
    assert scored.notes[0].startswith("lavis's rules would give 100.0 (100.0 more)")
    assert made.score(made.settings()[0], answers_to(made, "red")).notes == []


def test_soft_scores_follow_the_rules():
    made = benchmark(question(0, references=("x",), scores={"black white": 1.0}), rules="m4c")
    answers = answers_to(made, "black,white")
    assert made.score(made.settings()[0], answers).scores["overall"] == 0
    assert [made.right(answer) for answer in answers.values()] == [0]


def test_chance_is_a_baseline_of_choosing():
    made = benchmark(*CHOOSING, choose="sum")
    assert made.baselines(made.settings()[0]) == {"chance": pytest.approx(100 * (2 / 2 + 2 / 3) / 4)}
    assert made.queries(made.settings()[0])[1].candidates == (" a large red circle", " blue", " red")
    assert made.queries(made.settings()[0])[1].references == ("red",)


def test_choosing_needs_choices():
    made = benchmark(question(0), choose="mean")
    with pytest.raises(UserError, match="question q0 has no choices to choose among"):
        made.queries(made.settings()[0])[0]


def test_a_pool_that_is_missing_or_too_small_is_refused():
    with pytest.raises(UserError, match="4 shots, but the pool has only 3 examples"):
        benchmark(shots=[4])
    with pytest.raises(UserError, match="needs a pool"):
        benchmark(shots=[1], pool=None)


def test_the_provenance_names_the_source_of_demonstrations():
    """The source is the benchmark's own pool if it has one, otherwise the training task."""
    task = Task(POOL, VQA)
    own, other = FewShotVQA("vqa", pool=POOL, shots=[2]), FewShotVQA("vqa", shots=[2])
    for made in (own, other):
        made.bind({"vqa": task}, {"vqa": task})
    (of_pool,), (of_task,) = own.settings(), other.settings()
    assert of_pool.provenance["demonstrations_from"] == "Rows"
    assert of_task.provenance["demonstrations_from"] == "vqa"
