"""Generated answers: stop texts, token limits, and whether they ended."""

from __future__ import annotations

from copy import copy

import pytest
from toy import Square, request

from frozenvl.evaluation.asks import Generate
from frozenvl.evaluation.suite import session_of
from frozenvl.model import generation
from frozenvl.model.language.decoding import NEUTRAL
from frozenvl.util.errors import UserError


@pytest.mark.parametrize("beams", [{}, {"num_beams": 1, "do_sample": False, "repetition_penalty": 1.0}])
def test_ended_depends_on_the_tokens_not_on_the_text(tiny_trained, monkeypatch, beams):
    """The end token has to come within the limit. The text cannot tell, since its tokens may differ."""
    model, processor = tiny_trained.module.model, copy(tiny_trained.processor)
    batch = processor(
        [(Square(f"{n}.png", (n * 37 % 256, 99, n * 11 % 256)), "Question:") for n in range(12)]
    )
    seen = []
    greedy = generation.greedy
    monkeypatch.setattr(generation, "greedy", lambda *args: seen.append(greedy(*args)) or seen[-1])
    model.continuations(batch, processor, 12)
    (tokens,) = seen
    processor.end = tokens[0][4]  # a token that is generated
    for limit in (1, 4, 5, 6, 12):
        ended = [each.ended for each in model.continuations(batch, processor, limit, **beams)]
        # Shorter rows ended with the tokeniser's own end token, which is the model's too.
        assert ended == [processor.end in row[:limit] or len(row) < limit for row in tokens]
    assert any(ended) and not all(ended)


def test_a_stop_text_ends_a_text_even_at_the_last_token(tiny_trained):
    model, processor = tiny_trained.module.model, tiny_trained.processor
    batch = processor([(Square("a.png"), "Question:"), (Square("b.png", (9, 200, 9)), "Question: what")])
    for text in model.generate(batch, processor, 6):
        stopped = model.continuations(batch, processor, 6, stop=(text[-1],))
        assert [each.ended for each in stopped] == [text[-1] in each.text for each in stopped]
        assert any(each.ended for each in stopped)


def test_only_the_scored_text_is_cut_at_the_stop_text(tiny_trained, tmp_path):
    """The stop text is the middle character of the text that is generated without a stop text."""
    session = session_of(tiny_trained, tmp_path, ["seeing"], 4, None)
    asked = [request(f"{n}", Square(f"{n}.png", (n * 37 % 256, 99, 9)), "Question:") for n in range(4)]
    checked = 0
    for each, whole in zip(asked, Generate(6, stop=())(asked, session), strict=True):
        assert whole.text == whole.generated.strip()
        if len(whole.generated) > 3:
            stop = whole.generated[len(whole.generated) // 2]
            (cut,) = Generate(6, stop=(stop,))([each], session)
            assert cut.text == whole.generated.split(stop)[0].strip() and cut.ended
            assert stop in cut.generated and whole.generated.startswith(cut.generated)
            checked += 1
    assert checked


def test_a_text_is_no_longer_than_its_limit(tiny_trained, tmp_path):
    session = session_of(tiny_trained, tmp_path, ["seeing"], 4, None)
    asked = [request("a", Square("a.png"), "Question:")]
    three, six = (Generate(limit, stop=())(asked, session)[0].generated for limit in (3, 6))
    assert six.startswith(three) and len(three) < len(six)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_token_is_refused(limit):
    assert Generate(1).max_new_tokens == 1
    with pytest.raises(UserError, match=f"max_new_tokens is {limit}; an answer needs at least one"):
        Generate(limit)


def test_an_unknown_option_of_generate_is_refused():
    assert Generate(5, {"num_beams": 3}).provenance()["decoding"] == NEUTRAL | {"num_beams": 3}
    with pytest.raises(UserError, match="decoding has 'num_beems', which is no option of transformers"):
        Generate(5, {"num_beams": 3, "num_beems": 3})


def test_where_texts_end_is_part_of_the_provenance():
    assert Generate(5, stop=("\n", "Q:")).provenance() == {
        "decoding": "greedy",
        "ends": r"at the end token, at one of ['\n', 'Q:'], or after 5 tokens",
    }
