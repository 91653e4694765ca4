"""Greedy decoding, and the options of transformers' generate."""

import json
import shutil

import pytest
import torch
from architectures import ALL
from sequences import LENGTHS, rows
from transformers import GenerationConfig

from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.decoding import NEUTRAL, check_options, greedy, sample, try_options
from frozenvl.util.errors import UserError

CHAT = {
    "do_sample": True,
    "temperature": 1.5,
    "top_k": 5,
    "top_p": 0.9,
    "repetition_penalty": 1.3,
    "max_length": 7,
    "min_length": 30,
    "length_penalty": 3.0,
    "no_repeat_ngram_size": 1,
    "num_beams": 2,
    "suppress_tokens": [5, 6, 7],
}
"""Settings that a chat model's generation file may hold."""


@pytest.mark.matrix("cached = uncached")
@pytest.mark.parametrize("kind", ALL)
def test_greedy_equals_decoding_without_a_cache(language, kind):
    """Compares with a loop without a cache; rows leave the batch at different times."""
    model = language(kind)
    embeddings, _ = rows(model)
    expected = []
    for row, length in zip(embeddings, LENGTHS, strict=True):
        inputs, tokens = row[None, :length], []
        for _ in range(8):
            tokens.append(int(model.model(inputs_embeds=inputs, use_cache=False).logits[0, -1].argmax()))
            inputs = torch.cat([inputs, model.embed(torch.tensor([tokens[-1:]]))], dim=1)
        expected.append(tokens)
    assert greedy(model, embeddings, LENGTHS, 8, lambda ids: False, ()) == expected
    end = expected[2][3]
    cut = [tokens[: tokens.index(end)] if end in tokens else tokens for tokens in expected]
    assert greedy(model, embeddings, LENGTHS, 8, lambda ids: False, {end}) == cut != expected


@pytest.mark.parametrize("kind", ALL)
def test_greedy_equals_transformers_generate(language, kind):
    """Compares a left-padded batch with single sequences in transformers; rows end at different times."""
    model = language(kind)
    embeddings, _ = rows(model)
    unending = greedy(model, embeddings, LENGTHS, 8, lambda ids: False, ())
    assert [len(row) for row in unending] == [8] * 4
    end = unending[2][3]
    ours = greedy(model, embeddings, LENGTHS, 8, lambda ids: False, {end})
    assert len(ours[2]) <= 3 and len({len(row) for row in ours}) > 1
    for row, (one, length) in enumerate(zip(embeddings, LENGTHS, strict=True)):
        out = model.model.generate(
            inputs_embeds=one[None, :length],
            attention_mask=torch.ones(1, int(length), dtype=torch.long),
            max_new_tokens=8,
            do_sample=False,
            num_beams=1,
            eos_token_id=end,
            pad_token_id=end,
        )[0].tolist()
        assert ours[row] == (out[: out.index(end)] if end in out else out)


def test_a_stop_condition_ends_only_its_row(language):
    model = language("llama")
    embeddings, _ = rows(model)
    free = greedy(model, embeddings, LENGTHS, 6, lambda ids: False, ())
    first = free[1][0]
    stopped = greedy(model, embeddings, LENGTHS, 6, lambda ids: ids[0] == first and len(ids) == 2, ())
    assert stopped == [row[:2] if row[0] == first else row for row in free] and stopped != free


@pytest.mark.parametrize("kind", ["gpt2", "opt", "llama", "mistral"])
def test_generate_options_reach_transformers(language, kind):
    model = language(kind)
    embeddings, _ = rows(model)
    end = model.model.config.eos_token_id
    likeliest = greedy(model, embeddings, LENGTHS, 5, lambda ids: False, {end})
    assert sample(model, embeddings, LENGTHS, {end}, 5, do_sample=True, top_k=1) == likeliest
    beams = sample(model, embeddings, LENGTHS, {end}, 5, num_beams=3)
    alone = [
        sample(model, one[None, :n], n[None], {end}, 5, num_beams=3)[0]
        for one, n in zip(embeddings, LENGTHS, strict=True)
    ]
    assert beams == alone != likeliest
    torch.manual_seed(0)
    sampled = sample(model, embeddings, LENGTHS, {end}, 5, do_sample=True)
    torch.manual_seed(0)
    assert sample(model, embeddings, LENGTHS, {end}, 5, do_sample=True) == sampled != likeliest


@pytest.fixture(scope="module")
def chat(tiny_language, tmp_path_factory):
    """The tiny language model with a chat model's generation file."""
    folder = shutil.copytree(tiny_language, tmp_path_factory.mktemp("chat") / "model")
    (folder / "generation_config.json").write_text(json.dumps(CHAT | {"eos_token_id": 0, "pad_token_id": 0}))
    return FrozenLanguageModel(str(folder))


@pytest.mark.parametrize(
    "options",
    [{"num_beams": 3}, {"min_new_tokens": 5}, {"do_sample": True}, {"do_sample": True, "temperature": 2.0}],
)
def test_what_is_left_unsaid_is_not_taken_from_the_models_file(tiny_language, chat, options):
    plain, said = FrozenLanguageModel(str(tiny_language)), []
    embeddings, _ = rows(plain)
    for model in (plain, chat):
        torch.manual_seed(0)
        said.append(sample(model, embeddings, LENGTHS, {0}, 12, **options))
    assert said[0] == said[1] and max(map(len, said[0])) == 12
    assert greedy(chat, embeddings, LENGTHS, 12, lambda ids: False, {0}) == sample(
        chat, embeddings, LENGTHS, {0}, 12, do_sample=False
    )


def test_neutral_options_are_transformers_defaults():
    defaults = GenerationConfig()._get_default_generation_params()
    assert {name: defaults.get(name) for name in NEUTRAL} == NEUTRAL


@pytest.mark.parametrize(
    "options, line",
    [
        ({"num_beam": 3}, "'num_beam', which is no option"),
        ({"max_new_tokens": 3}, "'max_new_tokens', which is set here"),
        ({"eos_token_id": 3}, "'eos_token_id', which is set here"),
        ({"num_return_sequences": 3}, "'num_return_sequences', but one text is generated"),
        ({"return_dict_in_generate": True}, "'return_dict_in_generate', but one text"),
        ({"output_scores": True}, "'output_scores', but one text"),
    ],
)
def test_options_that_change_the_result_are_refused(options, line):
    with pytest.raises(UserError, match=line):
        check_options(options)


@pytest.mark.parametrize(
    "options",
    [
        {"do_sample": True, "temperature": 0.0},
        {"num_beams": 0},
        {"num_beams": "three"},
        {"repetition_penalty": -1.0},
        {"no_repeat_ngram_size": "two"},
        {"penalty_alpha": 0.6, "top_k": 4},
        {"stop_strings": ["red"]},
        {"num_beams": 2, "num_beam_groups": 2, "diversity_penalty": 1.0},
        {"prompt_lookup_num_tokens": 3},
        {"prefill_chunk_size": 2},
        {"early_stopping": "sometimes", "num_beams": 2},
        {"constraints": [1]},
        {"cache_implementation": "no such"},
    ],
)
def test_options_that_transformers_refuses_are_found_at_once(tiny_language, options):
    """They are tried with two short prompts; the random generator is left as it was."""
    language = FrozenLanguageModel(str(tiny_language))
    state = torch.get_rng_state()
    with pytest.raises(
        UserError, match=r"decoding \{.*\}: transformers' `generate` refuses it \(.+\); change"
    ):
        check_options(options)
        try_options(language, {0}, 8, options)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    "options", [{"num_beams": 3}, {"do_sample": True}, {"min_new_tokens": 4}, {"repetition_penalty": 1.2}]
)
def test_options_that_work_pass(tiny_language, options):
    state = torch.get_rng_state()
    try_options(FrozenLanguageModel(str(tiny_language)), {0}, 8, options)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("options", [{}, {"num_beams": 2}, {"do_sample": True, "top_k": 1}])
def test_every_end_token_ends_a_text(language, options):
    model = language("llama")
    embeddings, _ = rows(model)
    free = greedy(model, embeddings, LENGTHS, 8, lambda ids: False, ())
    ends = {free[0][2], free[1][4]}
    if options:
        out = sample(model, embeddings, LENGTHS, ends, 8, **options)
        assert any(len(row) < 8 for row in out)
    else:
        out = greedy(model, embeddings, LENGTHS, 8, lambda ids: False, ends)
        cut = lambda row: next((row[:at] for at, token in enumerate(row) if token in ends), row)
        assert out == [cut(row) for row in free] and len(out[0]) <= 2 and len(out[1]) <= 4
    assert not ends & {token for row in out for token in row}
