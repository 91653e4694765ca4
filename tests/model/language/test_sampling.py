"""Sampling of continuations: distribution, addressed random numbers, end tokens."""

from __future__ import annotations

import pytest
import torch
from architectures import ALL
from sequences import LENGTHS, rows

from frozenvl.model.language.decoding import greedy
from frozenvl.model.language.sampling import BLOCK, Sampled, sample_continuations, token_at
from frozenvl.util.errors import UserError


def flat(continuations: list[list[Sampled]]) -> list[Sampled]:
    return [sampled for each in continuations for sampled in each]


def numbers(samples: int, limit: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(len(LENGTHS), samples, limit, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("kind", ALL)
def test_it_equals_sampling_one_sequence_at_a_time_without_a_cache(language, kind):
    """Inverts the cumulative softmax of the whole vocabulary; rows end at different times."""
    model = language(kind)
    embeddings, _ = rows(model)
    uniforms = numbers(3, 6)
    free = sample_continuations(model, embeddings, LENGTHS, uniforms, ())
    ends = {free[0][0].tokens[1], free[2][1].tokens[3], free[3][2].tokens[0]}
    found = sample_continuations(model, embeddings, LENGTHS, uniforms, ends)
    for row, length in enumerate(LENGTHS):
        for place in range(3):
            inputs, tokens = embeddings[row : row + 1, :length], []
            for number in uniforms[row, place]:
                logits = model.model(inputs_embeds=inputs, use_cache=False).logits[0, -1]
                sums = logits.double().softmax(-1).cumsum(-1)
                tokens.append(int(torch.searchsorted(sums, number, right=True)))
                if tokens[-1] in ends:
                    break
                inputs = torch.cat([inputs, model.embed(torch.tensor([tokens[-1:]]))], dim=1)
            assert found[row][place] == Sampled(tokens, tokens[-1] in ends)
    assert len({len(sampled.tokens) for sampled in flat(found)}) > 2


def test_tokens_have_the_probabilities_of_the_softmax():
    vocabulary = 2 * BLOCK + 7
    logits = 3 * torch.randn(vocabulary, generator=torch.Generator().manual_seed(1))
    logits[5] = -torch.inf
    count = 200_000
    grid = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    counts = torch.zeros(vocabulary)
    for piece in grid.split(2000):
        counts += token_at(logits.expand(len(piece), -1), piece).bincount(minlength=vocabulary)
    assert (counts / count - logits.softmax(-1)).abs().max() < 1.5 / count


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_ends_of_the_distribution_never_give_an_impossible_token(dtype):
    logits = torch.full((1, BLOCK + 9), -torch.inf, dtype=dtype)
    logits[0, [7, BLOCK + 3]] = torch.tensor([0.3, -1.2], dtype=dtype)
    for number in (0.0, 1e-300, 1 - 2**-53):
        token = token_at(logits, torch.tensor([number], dtype=torch.float64))
        assert token.item() == (BLOCK + 3 if number > 0.5 else 7)


def test_a_number_that_is_nan_takes_the_likeliest_token():
    logits = torch.tensor([[0.0, 2.0, 1.0], [5.0, 2.0, 1.0]])
    assert token_at(logits, torch.tensor([torch.nan, torch.nan])).tolist() == [1, 0]


def test_samples_do_not_depend_on_the_rows_beside_them(language):
    model = language("llama")
    embeddings, _ = rows(model)
    uniforms = numbers(4, 8)
    whole = sample_continuations(model, embeddings, LENGTHS, uniforms, {5, 9})
    for row, length in enumerate(LENGTHS):
        one = slice(row, row + 1)
        alone = embeddings[one, :length], LENGTHS[one]
        assert sample_continuations(model, *alone, uniforms[one], {5, 9}) == [whole[row]]
        assert sample_continuations(model, *alone, uniforms[one, 2:3], {5, 9}) == [whole[row][2:3]]


def test_other_numbers_give_other_samples(language):
    model = language("llama")
    embeddings, _ = rows(model)
    one, other = (
        sample_continuations(model, embeddings, LENGTHS, numbers(3, 8, seed), ()) for seed in (0, 1)
    )
    assert len({tuple(sampled.tokens) for sampled in flat(one + other)}) > 20


def test_nothing_comes_after_the_first_end_token(language):
    model = language("llama")
    embeddings, _ = rows(model)
    free = sample_continuations(model, embeddings, LENGTHS, numbers(5, 8), ())
    ends = {free[0][0].tokens[2], free[1][3].tokens[4]}
    found = sample_continuations(model, embeddings, LENGTHS, numbers(5, 8), ends)
    for sampled, whole in zip(flat(found), flat(free), strict=True):
        first = next((at for at, token in enumerate(whole.tokens) if token in ends), None)
        assert sampled.ended == (first is not None)
        assert sampled.tokens == (whole.tokens if first is None else whole.tokens[: first + 1])
        assert sampled.words == sampled.tokens[: len(sampled.tokens) - sampled.ended]
    assert {sampled.ended for sampled in flat(found)} == {True, False}


def test_the_greedy_continuation_comes_after_the_samples(language):
    model = language("llama")
    embeddings, _ = rows(model)
    plain = sample_continuations(model, embeddings, LENGTHS, numbers(2, 8), {5})
    end = greedy(model, embeddings, LENGTHS, 8, lambda ids: False, ())[1][3]
    both = sample_continuations(model, embeddings, LENGTHS, numbers(2, 8), {end}, greedy=True)
    likeliest = [each[-1].words for each in both]
    assert likeliest == greedy(model, embeddings, LENGTHS, 8, lambda ids: False, {end})
    assert both[1][-1].ended
    both = sample_continuations(model, embeddings, LENGTHS, numbers(2, 8), {5}, greedy=True)
    assert [each[:-1] for each in both] == plain


def test_a_continuation_of_one_token(language):
    model = language("llama")
    embeddings, _ = rows(model)
    found = sample_continuations(model, embeddings, LENGTHS, numbers(2, 1), ())
    assert all(len(sampled.tokens) == 1 and not sampled.ended for sampled in flat(found))


def test_no_prompts_have_no_samples(language):
    model = language("llama")
    nothing = torch.zeros(0, 3, model.dim), torch.zeros(0, dtype=torch.long)
    assert sample_continuations(model, *nothing, torch.zeros(0, 2, 4), ()) == []


def test_a_text_longer_than_the_context_is_refused(language):
    model = language("llama")
    embeddings, _ = rows(model)
    limit = model.max_positions - int(LENGTHS.max()) + 1
    with pytest.raises(UserError, match=r"has 129 positions, .* only 128; use a smaller k or a smaller max_"):
        sample_continuations(model, embeddings, LENGTHS, numbers(1, limit), ())


def test_continuations_with_the_same_beginning_are_one_row(language, monkeypatch):
    """They part where their numbers do. Each is what it would be alone."""
    model = language("llama")
    embeddings, _ = rows(model)
    uniforms = numbers(1, 6).expand(-1, 3, -1).clone()
    uniforms[:, 2, 3:] = torch.tensor([0.9, 0.1, 0.5])
    apart = [
        sample_continuations(model, embeddings, LENGTHS, uniforms[:, n : n + 1], (), n == 0) for n in range(3)
    ]
    sizes, extend = [], model.extend
    monkeypatch.setattr(
        model,
        "extend",
        lambda inputs, *rest, **named: sizes.append(len(inputs)) or extend(inputs, *rest, **named),
    )
    found = sample_continuations(model, embeddings, LENGTHS, uniforms, ())
    assert found == [[one[0], other[0], last[0]] for one, other, last in zip(*apart, strict=True)]
    assert [each[0] for each in found] == [each[1] for each in found] != [each[2] for each in found]
    beginnings = [
        sum(len({tuple(one.tokens[:end]) for one in each}) for each in found) for end in range(1, 6)
    ]
    assert sizes == [len(LENGTHS), *beginnings] and beginnings[2] == len(LENGTHS) < beginnings[3]
