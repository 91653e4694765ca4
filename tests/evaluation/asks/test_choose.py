"""Choosing the most likely candidate, compared with scores of single candidates."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from suites import CHOOSING, POOL, toy
from torch import Tensor
from toy import TWO, Rows, Square

from frozenvl.evaluation import FewShotVQA, Fixed, Naming
from frozenvl.evaluation.asks import Choose
from frozenvl.evaluation.asks.choose import best
from frozenvl.evaluation.query import Answer, Query, Request
from frozenvl.evaluation.requests import evaluation_of, in_order
from frozenvl.evaluation.suite import session_of
from frozenvl.model.frozen import FrozenVL
from frozenvl.prompt import BlackImage, Sample


@pytest.mark.parametrize("view", ["seeing", "text-only"])
@pytest.mark.parametrize("measure", ["sum", "mean", "calibrated"])
@pytest.mark.parametrize("way", [None, Fixed()])
def test_the_most_likely_candidate_is_chosen(tiny_trained, tmp_path, measure, view, way):
    session = session_of(tiny_trained, tmp_path, ["seeing"], 8, None)
    model, processor = session.model, session.plain
    made = FewShotVQA(source=Rows(*CHOOSING), pool=POOL, shots=[2], choose=measure, way=way)
    toy(toy=made)
    made.prepare(False)
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
        assert ordered[-1] - ordered[-2] > 1e-4  # no tie, which rounding would decide
        best = max(values, key=values.__getitem__)
        found = answers[query.id]
        assert (found.generated, found.text, found.ended) == (best, best.strip(), True)
        assert len(found.values) == len(query.candidates)
        assert found.generated == query.candidates[found.values.index(max(found.values))]


def test_of_equally_likely_candidates_the_first_is_chosen():
    query = Query("q", (), "x", candidates=(" blue", " red", " green"))
    answer = best(query, [-2.0, -1.5, -1.5])
    assert (answer.text, answer.generated, answer.ended) == ("red", " red", True)
    assert answer.values == (-2.0, -1.5, -1.5)


def test_the_calibrated_measure_needs_images():
    assert Choose("calibrated").needs_images.startswith(
        "calibrated likelihoods compare images with black ones"
    )
    assert [Choose(measure).needs_images for measure in ("sum", "mean", "difference")] == [""] * 3


def test_the_difference_needs_a_visual_prefix():
    assert Choose("difference").needs_prefix.startswith("differences of likelihoods compare prompts with")
    assert [Choose(measure).needs_prefix for measure in ("sum", "mean", "calibrated")] == [""] * 3


@pytest.mark.parametrize("measure", ["sum", "mean", "calibrated"])
def test_the_measure_is_part_of_the_provenance(measure):
    assert Choose(measure).provenance() == {"chosen_by": f"likelihood, {measure}"}


QUERIES = [
    Query("image alone", (Square("a.png"),), "a", candidates=("a red dog", "a dog", "a dog.")),
    Query(
        "with text", (Square("b.png", (9, 99, 200)), "It shows"), "b", candidates=(" a cat", " two old cats")
    ),
    Query("text before", ("Look:", Square("c.png", (200, 9, 9))), "c", candidates=("a dog", "a blue circle")),
]
"""Queries whose prompts have no text, or text before or after the image."""


def asked(session, ask: Choose, queries=QUERIES) -> dict[str, Answer]:
    requests = [Request(query, query.prompt, 0) for query in queries]
    return {answer.query.id: answer for answer in ask(requests, session)}


def by_hand(session, embeddings: Tensor, tokens: list[int]) -> list[float]:
    """Returns the log-probability of each token after embeddings (1, L, dim), from logits in fp64."""
    language = deepcopy(session.model.language.model).double()
    embed = language.get_input_embeddings()
    with torch.no_grad():
        inputs = torch.cat([embeddings.double(), embed(torch.tensor([tokens]))], dim=1)
        logp = language(inputs_embeds=inputs).logits[0, -len(tokens) - 1 : -1].log_softmax(-1)
    return logp[range(len(tokens)), tokens].tolist()


def expected(session, query: Query, seen: bool, measure: str, end_token: bool) -> list[float]:
    """Returns the value of each candidate, given the prompt with its image or its text alone."""
    model, processor = session.model, session.plain
    if seen:
        batch = processor([query.prompt])
        embeddings = model.embeddings(batch, model._prefix(batch))
    else:
        text = "".join(part for part in query.prompt if isinstance(part, str))
        tokens = processor.encode(text) or [processor.end]  # the tiny tokeniser has no start token
        embeddings = model.language.model.get_input_embeddings()(torch.tensor([tokens]))
    values = []
    for candidate in query.candidates:
        tokens = processor.encode(candidate)
        row = by_hand(session, embeddings, [*tokens, processor.end])[: None if end_token else -1]
        values.append(sum(row) / (len(row) if measure == "mean" else 1))
    return values


@pytest.mark.parametrize("end_token", [True, False])
@pytest.mark.parametrize("measure", ["sum", "mean"])
def test_values_with_and_without_the_image_are_those_of_the_logits(
    tiny_trained, tmp_path, measure, end_token
):
    session = session_of(tiny_trained, tmp_path, ["seeing"], 8, None)
    answers = asked(session, Choose(measure, text_only=True, end_token=end_token))
    for query in QUERIES:
        answer = answers[query.id]
        assert answer.values == pytest.approx(expected(session, query, True, measure, end_token), abs=1e-3)
        assert answer.text_values == pytest.approx(
            expected(session, query, False, measure, end_token), abs=1e-3
        )


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_the_difference_is_the_sum_minus_alpha_times_the_sum_without_images(tiny_trained, tmp_path, alpha):
    session = session_of(tiny_trained, tmp_path, ["seeing"], 8, None)
    sums, differences = asked(session, Choose("sum")), asked(session, Choose("difference", alpha))
    for query in QUERIES:
        texts = expected(session, query, False, "sum", True)
        found = [value - alpha * text for value, text in zip(sums[query.id].values, texts, strict=True)]
        assert differences[query.id].values == pytest.approx(found, abs=1e-3)
        assert differences[query.id].text_values == pytest.approx(texts, abs=1e-3)
        assert sums[query.id].text_values == ()
        best = differences[query.id].values.index(max(differences[query.id].values))
        assert differences[query.id].generated == query.candidates[best]
    if alpha == 0:
        assert [a.values for a in differences.values()] == [a.values for a in sums.values()]


def test_few_shot_questions_and_names_are_chosen_by_the_difference(tiny_trained, tmp_path):
    session = session_of(tiny_trained, tmp_path, ["seeing"], 8, None)
    made = FewShotVQA(source=Rows(*CHOOSING), pool=POOL, shots=[2], choose="difference", alpha=0.25)
    toy(toy=made)
    made.prepare(False)
    (setting,) = made.settings()
    queries = in_order("toy", made.queries(setting), session)
    for query, answer in zip(queries, asked(session, made.ask, queries).values(), strict=True):
        texts = expected(session, query, False, "sum", True)
        seen = asked(session, Choose(), [query])[query.id].values
        assert answer.values == pytest.approx(
            [a - 0.25 * b for a, b in zip(seen, texts, strict=True)], abs=1e-3
        )
    assert Naming(TWO, choose="difference", alpha=0.25).ask == made.ask == Choose("difference", 0.25)


def test_options_that_change_values_are_part_of_the_provenance():
    assert Choose("difference", 0.5).provenance() == {"chosen_by": "likelihood, difference", "alpha": 0.5}
    assert Choose("mean", text_only=True, end_token=False).provenance() == {
        "chosen_by": "likelihood, mean",
        "text_only": True,
        "end_token": False,
    }


@pytest.mark.parametrize(
    ("measure", "prompts"), [("difference", [3, 1]), ("calibrated", [3, 1]), ("sum", [3])]
)
def test_requests_with_the_same_prompt_share_their_candidates(
    tiny_trained, tmp_path, monkeypatch, measure, prompts
):
    """Without images, or with black ones, the prompts of a batch are equal."""
    session = session_of(tiny_trained, tmp_path, ["seeing"], 8, None)
    texts = [(" red", " blue"), (" blue", " two stars"), (" red", " red", " blue")]
    queries = [
        Query(str(n), (Square(f"{n}.png"), "It is"), str(n), candidates=row) for n, row in enumerate(texts)
    ]
    requests = [Request(query, query.prompt, 0) for query in queries]
    alone = [Choose(measure)([request], session)[0] for request in requests]
    ranked, rank = [], FrozenVL.rank_candidates

    def counting(self, processor, prompts, candidates, cache=None):
        ranked.append(list(map(list, candidates)))
        return rank(self, processor, prompts, candidates, cache)

    monkeypatch.setattr(FrozenVL, "rank_candidates", counting)
    together = Choose(measure)(requests, session)
    assert [len(rows) for rows in ranked] == prompts
    assert ranked[0][2] == [" red", " blue"] and ranked[-1][0][:2] == [" red", " blue"]
    assert measure == "sum" or ranked[1] == [[" red", " blue", " two stars"]]
    for one, other in zip(alone, together, strict=True):
        assert other.values == pytest.approx(one.values, abs=1e-4)
        assert other.text_values == pytest.approx(one.text_values, abs=1e-4)
    assert together[2].values[0] == together[2].values[1]
