"""Judging pairs: by the head, by the likelihood difference, by the answer to a question."""

from __future__ import annotations

import pytest
import torch
from painted import Painted
from retrieval_models import retrieval_model

from frozenvl.model.heads import Matching
from frozenvl.model.matching import QUESTION
from frozenvl.prompt import BlackImage, Sample
from frozenvl.util.errors import UserError
from frozenvl.wording import Template

RED, BLUE, WIDE = Painted("red"), Painted("blue"), Painted("green", (90, 20))
PAIRS = [
    (RED, "red circle"),
    (BLUE, "a child in a pink dress"),
    (RED, "two blue stars"),
    (WIDE, "no"),
    (RED, "red circle"),
]


@pytest.fixture(scope="module")
def model(tiny_language, tiny_vision):
    return retrieval_model(tiny_language, tiny_vision, extra={"m": Matching()}).eval()


@pytest.fixture
def processor(model):
    return model.processor()


def test_the_head_judges_pairs_in_their_order_whatever_the_batch(model, processor):
    done = []
    found = model.match(processor, PAIRS, batch_size=2, progress=lambda *at: done.append(at))
    assert done == [(2, 5), (4, 5), (5, 5)]
    assert torch.equal(found, model.match(processor, PAIRS, "m", 2)) and not found.requires_grad
    for pair, odds in zip(PAIRS, found.tolist(), strict=True):
        assert odds == pytest.approx(model.match(processor, [pair]).item(), rel=1e-4, abs=1e-5)
    assert found[0] == pytest.approx(found[4].item(), rel=1e-4) and len(set(found.tolist())) > 3
    assert model.match(processor, []).shape == (0,)


def logp(model, processor, prompt, text, end_token=True) -> float:
    """Returns the log-probability of a text after a prompt, with or without its end token."""
    batch = processor([Sample("", prompt, text)])
    if end_token:
        return model.score(batch).item()
    ((_, nll),) = model.run(batch).nll()
    return -nll[:-1].sum().item()


@pytest.mark.parametrize("end_token", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("template", [None, Template("{image}It shows", " {target}")])
def test_the_likelihood_difference_is_that_of_single_pairs(model, processor, alpha, template, end_token):
    found = model.match_by_likelihood(processor, PAIRS, template, alpha, end_token, batch_size=2)
    text = processor.for_texts()
    for (image, caption), value in zip(PAIRS, found.tolist(), strict=True):
        prompt = (image,) if template is None else (image, "It shows")
        target = caption if template is None else f" {caption}"
        with torch.no_grad():
            expected = logp(model, processor, prompt, target, end_token)
            expected -= alpha * logp(model, text, prompt[1:], target, end_token)
        assert value == pytest.approx(expected, abs=2e-4)
    assert model.match_by_likelihood(processor, []).shape == (0,)


def test_an_image_is_read_once_for_all_of_its_texts(model, processor):
    image = Painted("yellow")
    model.match_by_likelihood(processor, [(image, f"text {n}") for n in range(9)], batch_size=1)
    assert image.reads == 1


def test_the_answer_gives_the_log_odds_of_yes_against_no(model, processor):
    found = model.match_by_answer(processor, PAIRS, batch_size=2)
    for (image, caption), value in zip(PAIRS, found.tolist(), strict=True):
        prompt = (image, QUESTION.format(text=caption))
        with torch.no_grad():
            yes, no = (logp(model, processor, prompt, answer, False) for answer in (" yes", " no"))
        assert value == pytest.approx(yes - no, abs=1e-4)
    other = model.match_by_answer(processor, PAIRS, "Is it {text}?", (" true", " false"))
    assert not torch.allclose(found, other)


def test_a_question_without_the_text_is_refused(model, processor):
    with pytest.raises(UserError, match=r"has to contain \{text\} once"):
        model.match_by_answer(processor, PAIRS, "Does it fit?")


def test_a_model_without_the_head_says_so(tiny_language, tiny_vision, model):
    plain = retrieval_model(tiny_language, tiny_vision)
    with pytest.raises(UserError, match="the model has no matching head; train one"):
        plain.match(plain.processor(), [(BlackImage(64), "x")])
    with pytest.raises(UserError, match="no matching head 'r'; it has m"):
        model.matcher("r")
    assert model.head() is model.heads["r"]
