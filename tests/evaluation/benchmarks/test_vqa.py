"""Few-shot question answering: worded to the letter, its baselines and likelihoods worked out by hand."""

from __future__ import annotations

from copy import copy

import pytest
from toy import Rows, Square, question, words

from frozenvl.evaluation import FewShotVQA, Fixed
from frozenvl.evaluation.query import Answer
from frozenvl.evaluation.requests import evaluation_of, in_order
from frozenvl.evaluation.suite import session_of
from frozenvl.model import frozen
from frozenvl.prompt import BlackImage, Sample
from frozenvl.util.errors import UserError

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


def test_zero_and_two_shots_with_and_without_induction_to_the_letter():
    said = "Please answer the question.\n"
    found = prompts(benchmark(shots=[0, 2], induction=["", said], pool=Rows(*POOL.examples[:2])))
    query = "<0.png>Question: What color is it? Answer:"
    cat = "<10.png>Question: What is it? Answer: a cat\n"
    number = "<11.png>Question: Is it 11? Answer: no\n"
    assert found["0shot"] == query and found["0shot-induced"] == said + query
    assert found["2shot"] in (cat + number + query, number + cat + query)
    assert found["2shot-induced"] == said + found["2shot"]


def test_settings_say_what_they_are():
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
def test_what_queries_share_is_what_all_their_prompts_begin_with(options, shared):
    made = benchmark(QUERY, question(1), question(2), **options)
    (setting,) = made.settings()
    queries = [made.queries(setting)[index] for index in range(3)]
    leads = [query.prompt[: query.shared] for query in queries]
    assert all(lead == leads[0] for lead in leads)
    assert len(leads[0]) == 4 if shared is None else list(leads[0]) == shared
    assert all(query.prompt[query.shared] is query.image for query in queries if query.shared)


def test_the_most_frequent_answer_of_the_pool_is_scored_beside():
    """Two of ten annotators said it of the first: 2 of 3 that would do, each left out in turn."""
    some = question(1, references=("no", "no", *["red"] * 8))
    made = benchmark(question(0, answer="no"), some, question(2, answer="yes"))
    (_, few) = made.settings()
    found = made.baselines(few)
    assert found == {"most_frequent": pytest.approx((100 + 60 + 0) / 3)}


def test_soft_scores_are_used_where_a_data_set_has_them():
    soft = question(0, references=("red", "pink"), scores={"red": 1.0, "pink": 0.3})
    other = question(1, references=("dog",), scores={"dog": 0.6})
    made = benchmark(soft, other)
    (setting, _) = made.settings()
    queries = made.queries(setting)
    answers = {"q0": Answer(queries[0], "Pink."), "q1": Answer(queries[1], "cat")}
    assert made.score(setting, answers).scores["overall"] == pytest.approx(15)
    assert made.right(answers["q0"]) == pytest.approx(0.3) and made.right(answers["q1"]) == 0


CHOICES = ("red", "a large red circle", "blue")
CHOOSING = [question(n, answer="red", choices=CHOICES[: 2 + n % 2]) for n in range(4)]


def test_chance_among_choices():
    made = benchmark(*CHOOSING, choose="sum")
    assert made.baselines(made.settings()[0]) == {"chance": pytest.approx(100 * (2 / 2 + 2 / 3) / 4)}
    assert made.queries(made.settings()[0])[1].candidates == (" a large red circle", " blue", " red")
    assert made.queries(made.settings()[0])[1].references == ("red",)


def test_choosing_needs_choices():
    made = benchmark(question(0), choose="mean")
    with pytest.raises(UserError, match="question q0 has no choices to choose among"):
        made.queries(made.settings()[0])[0]


@pytest.mark.parametrize("view", ["seeing", "text-only"])
@pytest.mark.parametrize("measure", ["sum", "mean", "calibrated"])
@pytest.mark.parametrize("way", [None, Fixed()])
def test_chosen_is_the_likeliest_worked_out_by_hand(tiny_trained, tmp_path, measure, view, way):
    session = session_of(tiny_trained, tmp_path, ["seeing"], 8, None)
    model, processor = session.model, session.plain
    made = benchmark(*CHOOSING, choose=measure, shots=[2], way=way)
    (setting,) = made.settings()
    queries = in_order("toy", made.queries(setting), session)
    requests = evaluation_of(made, setting, view, session, queries).requests
    answers = {answer.query.id: answer for answer in made.ask(requests, session)}

    def logp(prompt, target) -> float:
        return model.score(processor([Sample("", prompt, target)])).item()

    for query in queries:
        blind = tuple(part if isinstance(part, str) else BlackImage() for part in query.prompt)
        text = ("".join(part for part in query.prompt if isinstance(part, str)),)
        prompt = query.prompt if view == "seeing" else text
        value = {
            "sum": lambda target, prompt=prompt: logp(prompt, target),
            "mean": lambda target, prompt=prompt: logp(prompt, target) / (len(processor.encode(target)) + 1),
            "calibrated": lambda t, prompt=prompt, blind=blind: logp(prompt, t) - logp(blind, t),
        }[measure]
        values = {target: value(target) for target in query.candidates}
        ordered = sorted(values.values())
        assert ordered[-1] - ordered[-2] > 1e-4  # no tie that rounding decides
        best = max(values, key=values.__getitem__)
        found = answers[query.id]
        assert (found.generated, found.text, found.ended) == (best, best.strip(), True)
        assert len(found.values) == len(query.candidates)
        assert found.generated == query.candidates[found.values.index(max(found.values))]


@pytest.mark.parametrize("beams", [{}, {"num_beams": 1, "do_sample": False, "repetition_penalty": 1.0}])
def test_ended_is_known_of_the_tokens_not_guessed_of_the_text(tiny_trained, monkeypatch, beams):
    """The end token has to come within the limit; text alone cannot tell, since it may be tokenised otherwise."""
    model, processor = tiny_trained.module.model, copy(tiny_trained.processor)
    batch = processor(
        [(Square(f"{n}.png", (n * 37 % 256, 99, n * 11 % 256)), "Question:") for n in range(12)]
    )
    seen = []
    greedy = frozen.greedy
    monkeypatch.setattr(frozen, "greedy", lambda *args: seen.append(greedy(*args)) or seen[-1])
    model.continuations(batch, processor, 12)
    (tokens,) = seen
    processor.end = tokens[0][4]  # a token that does come
    for limit in (1, 4, 5, 6, 12):
        ended = [each.ended for each in model.continuations(batch, processor, limit, **beams)]
        assert ended == [processor.end in row[:limit] for row in tokens]
    assert any(ended) and not all(ended)


def test_a_stop_text_ends_it_also_at_the_last_token(tiny_trained):
    model, processor = tiny_trained.module.model, tiny_trained.processor
    batch = processor([(Square("a.png"), "Question:"), (Square("b.png", (9, 200, 9)), "Question: what")])
    for text in model.generate(batch, processor, 6):
        stopped = model.continuations(batch, processor, 6, stop=(text[-1],))
        assert [each.ended for each in stopped] == [text[-1] in each.text for each in stopped]
        assert any(each.ended for each in stopped)


def test_a_pool_that_is_too_small_and_a_source_without_one():
    with pytest.raises(UserError, match="4 shots, but the pool has only 3 examples"):
        benchmark(shots=[4])
    with pytest.raises(UserError, match="needs a pool"):
        benchmark(shots=[1], pool=None)
