import copy

import pytest
import torch
from architectures import ALL, FP32_INSIDE, PACKED, PADDED, RECURRENT, causal_lm
from transformers import AutoModelForCausalLM, OpenAIGPTConfig

from frozenvl.model.fingerprint import fingerprint
from frozenvl.model.language import packing
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.cross_entropy import target_nll
from frozenvl.model.language.decoding import greedy, sample
from frozenvl.model.language.kv_cache import left_padded
from frozenvl.util.errors import UserError

LENGTHS = torch.tensor([13, 1, 7, 10])
NOT_PACKED = {
    **dict.fromkeys(PADDED, "its attention cannot be replaced, so its sequences are padded"),
    **dict.fromkeys(RECURRENT, "its state would go on from one sequence to the next, so they are padded"),
}


def rows(model, dtype=torch.float32):
    """Embeddings and labels of sequences of unequal length."""
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(
        len(LENGTHS), int(LENGTHS.max()), model.dim, generator=generator, dtype=torch.float64
    )
    labels = torch.randint(model.model.config.vocab_size, (int(LENGTHS.sum()),), generator=generator)
    return embeddings.to(dtype), labels


def loss_and_gradient(model, dtype):
    embeddings, labels = rows(model, dtype)
    embeddings.requires_grad_()
    nll = target_nll(model.hidden(embeddings, LENGTHS), labels, model.head)
    nll.sum().backward()
    return nll.detach(), embeddings.grad


def loss_and_gradient_by_hand(model, dtype):
    """Each sequence alone through transformers' own model and torch's own loss."""
    embeddings, labels = rows(model, dtype)
    embeddings.requires_grad_()
    logits = [
        model.model(inputs_embeds=e[None, :n]).logits[0] for e, n in zip(embeddings, LENGTHS, strict=True)
    ]
    nll = torch.nn.functional.cross_entropy(torch.cat(logits), labels, reduction="none")
    nll.sum().backward()
    return nll.detach(), embeddings.grad


def assert_close(ours, theirs, tolerance):
    for one, other in zip(ours, theirs, strict=True):
        assert (one - other).abs().max() <= tolerance * other.abs().max()


@pytest.mark.matrix("packed = padded", cannot=NOT_PACKED)
@pytest.mark.parametrize(
    ("kind", "dtype"),
    # transformers has no kernel for mixtures of experts in float64
    [(kind, torch.float64) for kind in ALL if kind != "phimoe"] + [(kind, torch.float32) for kind in ALL],
)
def test_packed_is_padded_is_one_by_one(language, kind, dtype):
    """Losses and gradients at the inputs."""
    model = copy.deepcopy(language(kind)).to(dtype)
    exact = 1e-6 if kind in FP32_INSIDE else 1e-10
    tolerance = 1e-5 if dtype == torch.float32 else exact
    theirs = loss_and_gradient_by_hand(model, dtype)
    assert model.packs == (kind in PACKED)
    assert_close(loss_and_gradient(model, dtype), theirs, tolerance)
    model.packs = False
    assert_close(loss_and_gradient(model, dtype), theirs, tolerance)


@pytest.mark.parametrize("kind", PACKED)
def test_the_attention_of_a_gpu_gives_the_same(language, kind, monkeypatch):
    """torch's own attention, which is chosen elsewhere than on a CPU, run here."""
    model = copy.deepcopy(language(kind)).to(torch.float32)
    theirs = loss_and_gradient_by_hand(model, torch.float32)
    called = []
    attention = packing.scaled_dot_product_attention
    counting = lambda *tensors, **options: called.append(1) or attention(*tensors, **options)
    monkeypatch.setattr(packing, "scaled_dot_product_attention", counting)
    monkeypatch.setattr(packing, "fused", lambda device: True)
    assert_close(loss_and_gradient(model, torch.float32), theirs, 1e-5)
    windows = {"gemma2", "gemma3", "mistral", "phimoe"}  # and soft caps: an explicit product serves them
    assert bool(called) == (kind not in windows - {"gemma3"})


@pytest.mark.parametrize("kind", ["llama", "gemma2"])
def test_packing_leaves_the_model_as_it_was(language, kind):
    model = language(kind)
    before = model.model.config._attn_implementation
    model.hidden(*(rows(model)[0], LENGTHS))
    assert model.model.config._attn_implementation == before != "frozenvl_packed"
    with pytest.raises(RuntimeError):
        model.hidden(rows(model)[0][..., :-1], LENGTHS)
    assert model.model.config._attn_implementation == before


def test_packed_sequences_do_not_see_each_other(language):
    model = language("llama")
    embeddings, _ = rows(model)
    before = model.hidden(embeddings, LENGTHS)
    embeddings[0] += 1
    after = model.hidden(embeddings, LENGTHS)
    assert after[13:].equal(before[13:]) and not after[:13].isclose(before[:13]).all(1).any()


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("llama", {}),
        ("llama", {"tie_word_embeddings": True}),
        ("phi", {}),
        ("gemma2", {}),
        ("cohere", {}),
        ("granite", {}),
    ],
)
def test_head_is_the_models_own(tmp_path, kind, changes):
    model = FrozenLanguageModel(str(causal_lm(tmp_path, kind, **changes)))
    embeddings, _ = rows(model)
    theirs = model.model(inputs_embeds=embeddings[:1]).logits[0]
    ours = model.head(model.hidden(embeddings[:1], LENGTHS[:1]))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    plain = torch.nn.functional.linear(model.hidden(embeddings[:1], LENGTHS[:1]), model.model.lm_head.weight)
    assert ours.isclose(plain).all() == (kind == "llama")


def test_logits_changed_in_an_unknown_way_are_refused(tmp_path, monkeypatch):
    from transformers import LlamaForCausalLM

    forward = LlamaForCausalLM.forward

    def twice(*args, **inputs):
        out = forward(*args, **inputs)
        out.logits = 2 * out.logits
        return out

    folder = causal_lm(tmp_path, "llama")
    monkeypatch.setattr(LlamaForCausalLM, "forward", twice)
    with pytest.raises(UserError, match="LlamaForCausalLM changes its logits") as caught:
        FrozenLanguageModel(str(folder))
    assert "\n" not in str(caught.value)


@pytest.mark.matrix("cached = uncached")
@pytest.mark.parametrize("kind", ALL)
def test_greedy_reads_whole_sequences_anew_and_says_the_same(language, kind):
    """By hand without a cache; rows leave the batch at different times."""
    model = language(kind)
    embeddings, _ = rows(model)
    expected = []
    for row, length in zip(embeddings, LENGTHS, strict=True):
        inputs, said = row[None, :length], []
        for _ in range(8):
            said.append(int(model.model(inputs_embeds=inputs, use_cache=False).logits[0, -1].argmax()))
            inputs = torch.cat([inputs, model.embed(torch.tensor([said[-1:]]))], dim=1)
        expected.append(said)
    assert greedy(model, embeddings, LENGTHS, 8, lambda ids: False, -1) == expected
    end = expected[2][3]
    cut = [said[: said.index(end)] if end in said else said for said in expected]
    assert greedy(model, embeddings, LENGTHS, 8, lambda ids: False, end) == cut != expected


@pytest.mark.parametrize("kind", ALL)
def test_greedy_is_transformers_own(language, kind):
    """Token for token, batched with left padding against each alone; rows end at different times."""
    model = language(kind)
    embeddings, _ = rows(model)
    unending = greedy(model, embeddings, LENGTHS, 8, lambda ids: False, -1)
    assert [len(row) for row in unending] == [8] * 4
    end = unending[2][3]
    ours = greedy(model, embeddings, LENGTHS, 8, lambda ids: False, end)
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


def test_greedy_stops_a_row_alone(language):
    model = language("llama")
    embeddings, _ = rows(model)
    free = greedy(model, embeddings, LENGTHS, 6, lambda ids: False, -1)
    first = free[1][0]
    stopped = greedy(model, embeddings, LENGTHS, 6, lambda ids: ids[0] == first and len(ids) == 2, -1)
    assert stopped == [row[:2] if row[0] == first else row for row in free] and stopped != free


@pytest.mark.parametrize("kind", ["gpt2", "opt", "llama", "mistral"])
def test_generate_options_reach_transformers(language, kind):
    model = language(kind)
    embeddings, _ = rows(model)
    end = model.model.config.eos_token_id
    likeliest = greedy(model, embeddings, LENGTHS, 5, lambda ids: False, end)
    assert sample(model, embeddings, LENGTHS, end, max_new_tokens=5, do_sample=True, top_k=1) == likeliest
    beams = sample(model, embeddings, LENGTHS, end, max_new_tokens=5, num_beams=3)
    alone = [
        sample(model, one[None, :n], n[None], end, max_new_tokens=5, num_beams=3)[0]
        for one, n in zip(embeddings, LENGTHS, strict=True)
    ]
    assert beams == alone != likeliest
    torch.manual_seed(0)
    sampled = sample(model, embeddings, LENGTHS, end, max_new_tokens=5, do_sample=True)
    torch.manual_seed(0)
    assert sample(model, embeddings, LENGTHS, end, max_new_tokens=5, do_sample=True) == sampled != likeliest


def test_a_cache_that_is_silently_ignored_is_refused(tmp_path, monkeypatch):
    from transformers import LlamaModel

    forward = LlamaModel.forward
    forgetful = lambda self, past_key_values=None, **inputs: forward(self, **inputs)
    folder = causal_lm(tmp_path, "llama")
    monkeypatch.setattr(LlamaModel, "forward", forgetful)
    with pytest.raises(UserError, match="LlamaForCausalLM does not go on from what it has read") as caught:
        FrozenLanguageModel(str(folder))
    assert "\n" not in str(caught.value)


def test_a_cache_that_an_architecture_cannot_use_is_refused_in_one_line(tmp_path):
    config = OpenAIGPTConfig(n_embd=32, n_layer=2, n_head=4, vocab_size=20)  # masks what is new alone
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    with pytest.raises(
        UserError, match="OpenAIGPTLMHeadModel does not go on from what it has read"
    ) as caught:
        FrozenLanguageModel(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_left_padding():
    moved, mask = left_padded(
        torch.tensor([[[1.0], [2.0], [0.0]], [[3.0], [4.0], [5.0]]]), torch.tensor([2, 3])
    )
    assert moved[..., 0][mask.bool()].tolist() == [1, 2, 3, 4, 5]
    assert mask.tolist() == [[0, 1, 1], [1, 1, 1]]


def test_fingerprint_follows_the_weights_alone(language):
    one = copy.deepcopy(language("llama"))
    assert fingerprint(one.model) == one.fingerprint
    assert fingerprint(copy.deepcopy(one.model).to(torch.bfloat16)) == one.fingerprint
    with torch.no_grad():
        one.model.lm_head.weight.mul_(1.1)
    assert fingerprint(one.model) != one.fingerprint


def test_weights_stay_frozen(language):
    model = copy.deepcopy(language("gpt2"))
    model.train()
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())
