import copy

import pytest
import torch
from architectures import ALL, FP32_INSIDE, PACKED, PADDED, RECURRENT, causal_lm
from sequences import LENGTHS, rows

from frozenvl.model.language import packing
from frozenvl.model.language.causal_lm import FrozenLanguageModel
from frozenvl.model.language.cross_entropy import target_nll
from frozenvl.model.prefix_tree import PrefixTree

NOT_PACKED = {
    **dict.fromkeys(PADDED, "its attention cannot be replaced, so its sequences are padded"),
    **dict.fromkeys(RECURRENT, "its state would go on from one sequence to the next, so they are padded"),
}


def loss_and_gradient(model, dtype):
    embeddings, labels = rows(model, dtype)
    embeddings.requires_grad_()
    nll = target_nll(model.hidden(embeddings, LENGTHS), labels, model.head)
    nll.sum().backward()
    return nll.detach(), embeddings.grad


def reference_loss_and_gradient(model, dtype):
    """Computes each sequence separately with transformers' model and torch's loss."""
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
    # transformers has no float64 kernel for mixtures of experts
    [(kind, torch.float64) for kind in ALL if kind != "phimoe"] + [(kind, torch.float32) for kind in ALL],
)
def test_packed_padded_and_single_sequences_give_the_same_loss_and_gradient(language, kind, dtype):
    """Compares losses, and gradients with respect to the inputs."""
    model = copy.deepcopy(language(kind)).to(dtype)
    exact = 1e-6 if kind in FP32_INSIDE else 1e-10
    tolerance = 1e-5 if dtype == torch.float32 else exact
    theirs = reference_loss_and_gradient(model, dtype)
    assert model.packs == (kind in PACKED)
    assert_close(loss_and_gradient(model, dtype), theirs, tolerance)
    model.packs = False
    assert_close(loss_and_gradient(model, dtype), theirs, tolerance)


NORM_IN_FP32 = {"llama", "qwen2", "qwen3", "gemma", "gemma2", "gemma3", "mistral", "cohere", "granite"}
"""Architectures whose norms compute in fp32 even if the inputs are fp64, as transformers' RMSNorm does."""
TREE = PrefixTree(order=(1, 2, 0, 3), shared=(4, 0, 0, 6))


def with_common_beginnings(embeddings):
    """Returns rows of which the first begins as the third, and the last as the first (`TREE`)."""
    first = torch.cat([embeddings[2, :4], embeddings[0, 4:]])
    last = torch.cat([first[:6], embeddings[3, 6:]])
    return torch.stack([first, embeddings[1], embeddings[2], last])


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind != "phimoe"])
def test_common_beginnings_are_computed_once_with_the_same_loss_and_gradient(language, kind):
    model = copy.deepcopy(language(kind)).double()
    outcomes = []
    for tree in (None, TREE):
        embeddings, labels = rows(model, torch.float64)
        embeddings.requires_grad_()
        hidden = model.hidden(with_common_beginnings(embeddings), LENGTHS, tree=tree)
        nll = target_nll(hidden, labels, model.head)
        (nll * torch.arange(1, 1 + len(nll))).sum().backward()  # so that rows count differently
        outcomes.append((nll.detach(), embeddings.grad))
    (nll, gradient), (expected, expected_gradient) = outcomes
    assert_close([nll], [expected], 1e-6 if kind in FP32_INSIDE else 1e-10)
    # In fp32, the gradients of copies are rounded before their sum, or after it.
    assert_close([gradient], [expected_gradient], 1e-6 if kind in NORM_IN_FP32 else 1e-10)


def test_positions_of_common_beginnings_run_once(language, monkeypatch):
    model = language("llama")
    embeddings = with_common_beginnings(rows(model)[0])
    ran = []
    monkeypatch.setattr(
        model.model.model,
        "forward",
        lambda *_, forward=model.model.model.forward, **inputs: (
            ran.append(inputs["inputs_embeds"].shape[1]),
            forward(**inputs),
        )[1],
    )
    for tree in (None, TREE, TREE.behind(0)):
        model.hidden(embeddings, LENGTHS, tree=tree)
    assert ran == [31, 21, 21]


@pytest.mark.parametrize("kind", PACKED)
def test_the_attention_used_on_gpus_gives_the_same_loss_and_gradient(language, kind, monkeypatch):
    """Runs torch's scaled_dot_product_attention, which is otherwise used only on GPUs, on the CPU."""
    model = copy.deepcopy(language(kind)).to(torch.float32)
    theirs = reference_loss_and_gradient(model, torch.float32)
    called = []
    attention = packing.scaled_dot_product_attention
    counting = lambda *tensors, **options: called.append(1) or attention(*tensors, **options)
    monkeypatch.setattr(packing, "scaled_dot_product_attention", counting)
    monkeypatch.setattr(packing, "fused", lambda device: True)
    assert_close(loss_and_gradient(model, torch.float32), theirs, 1e-5)
    windows = {
        "gemma2",
        "gemma3",
        "mistral",
        "phimoe",
    }  # sliding windows and soft caps use an explicit product
    assert bool(called) == (kind not in windows - {"gemma3"})


@pytest.mark.parametrize("kind", ["llama", "gemma2"])
def test_packing_restores_the_attention_implementation(language, kind):
    model = language(kind)
    before = model.model.config._attn_implementation
    model.hidden(*(rows(model)[0], LENGTHS))
    assert model.model.config._attn_implementation == before != "frozenvl_packed"
    with pytest.raises(RuntimeError):
        model.hidden(rows(model)[0][..., :-1], LENGTHS)
    assert model.model.config._attn_implementation == before


def test_packed_sequences_do_not_attend_to_each_other(language):
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
def test_logits_equal_those_of_transformers(tmp_path, kind, changes):
    model = FrozenLanguageModel(str(causal_lm(tmp_path, kind, **changes)))
    embeddings, _ = rows(model)
    theirs = model.model(inputs_embeds=embeddings[:1]).logits[0]
    ours = model.head(model.hidden(embeddings[:1], LENGTHS[:1]))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    plain = torch.nn.functional.linear(model.hidden(embeddings[:1], LENGTHS[:1]), model.model.lm_head.weight)
    assert ours.isclose(plain).all() == (kind == "llama")


def test_weights_stay_frozen(language):
    model = copy.deepcopy(language("gpt2"))
    model.train()
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())
