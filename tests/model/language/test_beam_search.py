"""Beam search: the results of transformers' `generate`, rows that leave, prompts that are read once."""

from __future__ import annotations

import copy
from itertools import product

import pytest
import torch
from architectures import ALL
from sequences import LENGTHS, rows

from frozenvl.model.language.beam_search import (
    BLOCK,
    BeamOptions,
    Search,
    beam_search,
    places_near,
    top_tokens,
)
from frozenvl.model.language.decoding import cut_at, greedy, sample
from frozenvl.model.language.kv_cache import left_padded


def best(found) -> list[list[int]]:
    return [hypotheses[0].tokens for hypotheses in found]


def ends_of(model, embeddings) -> set[int]:
    """Returns end tokens that beams meet at different steps."""
    free = greedy(model, embeddings, LENGTHS, 8, lambda ids: False, ())
    return {free[0][2], free[1][4], free[2][1]}


@pytest.mark.parametrize("kind", ALL)
def test_it_equals_transformers_generate(language, kind):
    model = language(kind)
    embeddings, _ = rows(model)
    several = ends_of(model, embeddings)
    cases = [
        (BeamOptions(3), {min(several)}, 8),
        (BeamOptions(2, 2.0, "never"), several, 8),
        (BeamOptions(4, 0.0, True), several, 6),
        (BeamOptions(3, -1.0), several, 1),
    ]
    for options, ends, limit in cases:
        ours = best(beam_search(model, embeddings, LENGTHS, limit, options, ends))
        assert ours == sample(model, embeddings, LENGTHS, ends, limit, **vars(options))


def test_it_equals_transformers_generate_with_every_option(language):
    model = language("llama")
    embeddings, _ = rows(model)
    several = ends_of(model, embeddings)
    lengths = set()
    for beams, penalty, early in product((2, 5), (0.0, -1.0, 2.5), (False, True, "never")):
        options = BeamOptions(beams, penalty, early)
        ours = best(beam_search(model, embeddings, LENGTHS, 12, options, several))
        assert ours == sample(model, embeddings, LENGTHS, several, 12, **vars(options))
        lengths |= {len(row) for row in ours}
    assert len(lengths) > 5


@pytest.mark.parametrize("kind", ["llama", "gpt2", "mistral", "falcon"])
def test_it_equals_transformers_generate_in_fp64(language, kind):
    model = copy.deepcopy(language(kind)).double()
    embeddings, _ = rows(model, torch.float64)
    ends = ends_of(model, embeddings)
    for options in (BeamOptions(3), BeamOptions(5, 2.0, True)):
        ours = best(beam_search(model, embeddings, LENGTHS, 10, options, ends))
        assert ours == sample(model, embeddings, LENGTHS, ends, 10, **vars(options))


def test_a_text_of_one_token_is_the_greedy_one(language):
    model = language("llama")
    embeddings, _ = rows(model)
    first = greedy(model, embeddings, LENGTHS, 1, lambda ids: False, ())
    assert best(beam_search(model, embeddings, LENGTHS, 1, BeamOptions(4), ())) == first
    assert best(beam_search(model, embeddings, LENGTHS, 0, BeamOptions(4), ())) == [[], [], [], []]


def test_all_texts_are_those_of_transformers_with_their_scores(language):
    model = language("llama")
    embeddings, _ = rows(model)
    ends = ends_of(model, embeddings)
    for options in (BeamOptions(3), BeamOptions(4, 0.5, True)):
        found = beam_search(model, embeddings, LENGTHS, 8, options, ends)
        padded, mask = left_padded(embeddings, LENGTHS)
        theirs = model.model.generate(
            inputs_embeds=padded,
            attention_mask=mask,
            max_new_tokens=8,
            eos_token_id=sorted(ends),
            pad_token_id=min(ends),
            num_return_sequences=options.num_beams,
            return_dict_in_generate=True,
            output_scores=True,
            do_sample=False,
            **vars(options),
        )
        texts = [cut_at(row, ends) for row in theirs.sequences.tolist()]
        assert [h.tokens for hypotheses in found for h in hypotheses] == texts
        scores = [h.score for hypotheses in found for h in hypotheses]
        assert scores == pytest.approx(theirs.sequences_scores.tolist(), abs=1e-5)
        assert len(set(scores)) == len(scores)


def test_there_is_a_best_text_even_if_no_logit_is_a_number():
    search = Search(1, 2, BeamOptions(2), {1}, torch.device("cpu"))
    logits = torch.full((1, 5), torch.nan)
    while (step := search.advance(logits)) is not None:
        logits = torch.full((len(step.rows), 5), torch.nan)
    assert len(search.best[0]) == 1


def test_prompts_are_read_once_and_done_images_leave(language, monkeypatch):
    model = language("llama")
    embeddings, _ = rows(model)
    ends = range(0, model.model.config.vocab_size, 8)  # so many that images are done soon, at different steps
    alone = []
    for one, length in zip(embeddings, LENGTHS, strict=True):
        sizes = seen(model, monkeypatch)
        beam_search(model, one[None, :length], length[None], 10, BeamOptions(3, 1.0, True), ends)
        alone.append(sizes[1:])
        assert sizes[0] == (1, int(length)) and set(sizes[1:]) <= {(3, 1)}
        monkeypatch.undo()
    sizes = seen(model, monkeypatch)
    beam_search(model, embeddings, LENGTHS, 10, BeamOptions(3, 1.0, True), ends)
    going_on = [sum(len(steps) > step for steps in alone) for step in range(max(map(len, alone)))]
    assert sizes == [(4, 13), *((3 * images, 1) for images in going_on)]
    assert len(set(going_on)) > 1


def test_the_cache_is_copied_only_if_beams_change_rows(language, monkeypatch):
    """Every copy has at least one row that two beams continue, or rows that leave."""
    model = language("llama")
    embeddings, _ = rows(model)
    orders, read = [], model.read

    def recorded(*inputs):
        past = read(*inputs)
        reorder = past.cache.reorder_cache
        past.cache.reorder_cache = lambda order: orders.append(order.tolist()) or reorder(order)
        return past

    monkeypatch.setattr(model, "read", recorded)
    one = embeddings[:1, :13], LENGTHS[:1]
    steps = 12
    beam_search(model, *one, steps, BeamOptions(2), ())
    assert orders[0] == [0, 0] and 1 <= len(orders) < steps - 1
    assert all(len(set(order)) < len(order) for order in orders)


def seen(model, monkeypatch) -> list[tuple[int, int]]:
    """Returns the list to which the (rows, positions) of each pass of the model will be added."""
    sizes, extend = [], model.extend

    def recorded(inputs, *rest, **named):
        sizes.append(tuple(inputs.shape[:2]))
        return extend(inputs, *rest, **named)

    monkeypatch.setattr(model, "extend", recorded)
    return sizes


def test_a_leading_part_that_was_read_before_changes_nothing(language):
    model = language("llama")
    embeddings, _ = rows(model)
    embeddings[:, :1] = embeddings[:1, :1]
    ends = ends_of(model, embeddings)
    lead = model.read_lead(embeddings[:1, :1])
    ours = best(beam_search(model, embeddings, LENGTHS, 8, BeamOptions(3), ends, lead))
    assert ours == best(beam_search(model, embeddings, LENGTHS, 8, BeamOptions(3), ends))


@pytest.mark.parametrize(
    "options, found",
    [
        ({"num_beams": 3}, BeamOptions(3)),
        ({"num_beams": 2, "length_penalty": 0, "early_stopping": "never"}, BeamOptions(2, 0, "never")),
        ({"num_beams": 2, "do_sample": False, "repetition_penalty": 1.0}, BeamOptions(2)),
        ({}, None),
        ({"num_beams": 1}, None),
        ({"num_beams": True}, None),
        ({"num_beams": "three"}, None),
        ({"num_beams": 2, "length_penalty": "long"}, None),
        ({"num_beams": 2, "early_stopping": "sometimes"}, None),
        ({"num_beams": 2, "early_stopping": 1}, None),
        ({"num_beams": 2, "do_sample": True}, None),
        ({"num_beams": 2, "repetition_penalty": 1.3}, None),
        ({"num_beams": 2, "suppress_tokens": [3]}, None),
    ],
)
def test_only_plain_beam_search_is_done_here(options, found):
    assert BeamOptions.of(options) == found


@pytest.mark.parametrize("width", [5, BLOCK, 3 * BLOCK + 7])
def test_top_tokens_are_those_of_the_whole_vocabulary(width):
    logits = 3 * torch.randn(37, width, generator=torch.Generator().manual_seed(0))
    logits[3, 4] = -torch.inf
    logp, tokens = top_tokens(logits, 5)
    expected = logits.log_softmax(-1).topk(5)
    assert logp.equal(expected.values)
    assert tokens[:3].equal(expected.indices[:3]) and tokens[4:].equal(expected.indices[4:])


def test_a_beam_stays_in_the_row_that_it_continues():
    assert places_near([6, 7, 8], 6) == [0, 1, 2]
    assert places_near([8, 6, 7], 6) == [2, 0, 1]
    assert places_near([7, 7, 6], 6) == [1, 2, 0]
    assert places_near([7, 7, 7], 6) == [1, 0, 2]
    assert places_near([4, 4, 4], 4) == [0, 1, 2]
