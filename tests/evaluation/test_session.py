"""Caches of a session: prefixes of images, and the shared prefix of prompts."""

from __future__ import annotations

import pytest
import torch
from suites import POOL, QUESTIONS, toy
from toy import Broken, Square, request

from frozenvl.evaluation import FewShotVQA, Fixed
from frozenvl.evaluation.suite import check_suite, run_suite, session_of
from frozenvl.model.frozen import FrozenVL


def test_a_cached_support_set_gives_the_same_answers_as_whole_prompts(tiny_trained, tmp_path, monkeypatch):
    """The support set is computed once for all batches."""
    prefills, prefill = [], FrozenVL.prefill
    monkeypatch.setattr(FrozenVL, "prefill", lambda *args: prefills.append(args) or prefill(*args))
    found = []
    for shared in (True, False):
        monkeypatch.setattr(Fixed, "shared", shared)
        benchmark = FewShotVQA(source=QUESTIONS, pool=POOL, shots=[3], way=Fixed(), max_new_tokens=8)
        session = session_of(tiny_trained, tmp_path / str(shared), ["seeing", "test-blind"], 2, None)
        check_suite(toy(fixed=benchmark), session)
        run_suite({"fixed": benchmark}, session)
        found.append((tmp_path / str(shared) / "fixed-3shot" / "predictions.jsonl").read_bytes())
    assert found[0] == found[1]
    assert len(prefills) == 2  # one for each view


@pytest.fixture
def session(tiny_trained, tmp_path):
    return session_of(tiny_trained, tmp_path, ["seeing"], 4, None)


@pytest.fixture
def prefilled(monkeypatch) -> list:
    """Prompts of the calls of `FrozenVL.prefill`."""
    seen, prefill = [], FrozenVL.prefill

    def noting(self, processor, prompt):
        seen.append(prompt)
        return prefill(self, processor, prompt)

    monkeypatch.setattr(FrozenVL, "prefill", noting)
    return seen


def test_requests_without_a_shared_prefix_keep_their_prompts(session, prefilled):
    asked = [request("a", Square("a.png"), "Is it?", shared=1), request("b", "Is it?")]
    assert session.begin(asked) == (None, [asked[0].prompt, asked[1].prompt])
    assert not prefilled


def test_the_prefix_shared_by_all_requests_is_computed_once(session, prefilled):
    """One request shares less than the other."""
    lead, text = Square("shot.png"), "Answer: red\n"
    first = [request("a", lead, text, "x", shared=2), request("b", lead, "y", shared=1)]
    cache, prompts = session.begin(first)
    assert cache is not None and prompts == [(text, "x"), ("y",)]
    assert session.begin([request("c", lead, "z", shared=1)]) == (cache, [("z",)])
    assert prefilled == [(lead,)]


def test_an_unreadable_shared_prefix_stays_in_the_prompts(session, prefilled):
    asked = [request("a", Broken(), "Is it?", shared=1)]
    for _ in range(2):
        assert session.begin(asked) == (None, [asked[0].prompt])
    assert len(prefilled) == 1


def test_two_prompt_caches_are_kept(session, prefilled):
    """Caches of a view and of its black counterpart alternate; those of the previous setting are dropped."""
    leads = {name: [request("x", Square(name), "y", shared=1)] for name in "abc"}
    for name in ("a", "b", "a", "b"):
        session.begin(leads[name])
    assert len(prefilled) == len(session.prompt_caches) == 2
    session.begin(leads["c"])
    assert list(session.prompt_caches) == [leads["c"][0].prompt[:1]]


def test_the_prefix_of_an_image_is_computed_once(session, monkeypatch):
    passes, vectors = [], FrozenVL.vectors

    def noting(self, *args, **options):
        passes.append(args)
        return vectors(self, *args, **options)

    monkeypatch.setattr(FrozenVL, "vectors", noting)
    red, blue = Square("a.png", (200, 0, 0)), Square("b.png", (0, 0, 200))
    for _ in range(2):
        batch = session.processor([(red, "x"), (blue, "y")])
    assert len(passes) == 1 and batch.stage == "prefixes"
    plain = session.plain([(red, "x"), (blue, "y")])
    assert plain.stage == "pixels"  # the plain processor still reads pixels
    assert torch.allclose(batch.images, vectors(session.model, plain.images, "pixels"), atol=1e-5)
