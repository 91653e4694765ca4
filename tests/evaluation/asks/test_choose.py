"""Choosing the most likely candidate, compared with scores of single candidates."""

from __future__ import annotations

import pytest
from suites import CHOOSING, POOL, toy
from toy import Rows

from frozenvl.evaluation import FewShotVQA, Fixed
from frozenvl.evaluation.asks import Choose
from frozenvl.evaluation.asks.choose import _likeliest
from frozenvl.evaluation.query import Query
from frozenvl.evaluation.requests import evaluation_of, in_order
from frozenvl.evaluation.suite import session_of
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
    answer = _likeliest(query, [-2.0, -1.5, -1.5])
    assert (answer.text, answer.generated, answer.ended) == ("red", " red", True)
    assert answer.values == (-2.0, -1.5, -1.5)


def test_the_calibrated_measure_needs_images():
    assert Choose("calibrated").needs_images.startswith(
        "calibrated likelihoods compare images with black ones"
    )
    assert [Choose(measure).needs_images for measure in ("sum", "mean")] == ["", ""]


@pytest.mark.parametrize("measure", ["sum", "mean", "calibrated"])
def test_the_measure_is_part_of_the_provenance(measure):
    assert Choose(measure).provenance() == {"chosen_by": f"likelihood, {measure}"}
