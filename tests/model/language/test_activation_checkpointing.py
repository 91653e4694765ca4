"""Gradient checkpointing: bit-identical loss and gradients, and fewer saved activations."""

from __future__ import annotations

import pytest
import torch
from architectures import ALL
from losses import loss_of
from painted import Painted

from frozenvl.model import forward, generation
from frozenvl.model.language.activation_checkpointing import checkpoint_layers
from frozenvl.model.tuning import Adapters, Finetuned, LoRA, PrefixTuning, PromptTuning
from frozenvl.prompt import Sample
from frozenvl.util.errors import UserError

SAMPLES = [
    Sample("1", (Painted("red"), "what color is the circle?"), " red"),
    Sample("2", (Painted("blue"),), "a small blue star to the left of two large circles"),
    Sample("3", ("how many?", Painted("red")), " 3"),
    Sample("4", (Painted("green"), "a"), " dax"),
]


def loss_and_gradients(model, batch):
    model.zero_grad()
    loss = loss_of(model.train(), batch)
    loss.nll.backward()
    return loss.nll.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def assert_same(one, other):
    assert one[0].equal(other[0]) and one[1].keys() == other[1].keys()
    assert any(gradient.any() for gradient in one[1].values())
    for name, gradient in one[1].items():
        assert gradient.equal(other[1][name]), name


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize("kind", ALL)
def test_loss_and_gradients_are_the_same(build, processor_of, monkeypatch, kind, pieces):
    """Holds also for a batch in several chunks, each of which is recomputed with its own packing."""
    if pieces == 3:
        for module in (forward, generation):
            monkeypatch.setattr(module, "MAX_POSITIONS_PER_PASS", 25)
    model = build(kind)
    batch = processor_of(model)(SAMPLES)
    assert len(list(batch.chunks(forward.MAX_POSITIONS_PER_PASS))) == pieces
    expected = loss_and_gradients(model, batch)
    checkpoint_layers(model.language)
    assert_same(loss_and_gradients(model, batch), expected)


@pytest.mark.parametrize("bf16", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize("tuning", [LoRA, Adapters, PromptTuning, Finetuned])
def test_gradients_of_tuned_weights_and_the_encoder_are_the_same(build, processor_of, tuning, bf16):
    model = build(tuning=tuning(), trainable=True)
    if bf16:
        model.hold_frozen_in_bf16()
    batch = processor_of(model)(SAMPLES)
    expected = loss_and_gradients(model, batch)
    checkpoint_layers(model.language)
    assert_same(loss_and_gradients(model, batch), expected)


def saved_bytes(model, batch) -> int:
    """Returns the bytes that a forward pass saves for the backward pass, without weights."""
    weights = {p.untyped_storage().data_ptr() for p in [*model.parameters(), *model.buffers()]}
    sizes: dict[int, int] = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        nll = loss_of(model.train(), batch).nll  # kept alive, so that no storage is reused
    del nll
    return sum(sizes.values())


def test_fewer_activations_are_saved(build, processor_of):
    model = build()
    batch = processor_of(model)(SAMPLES * 8)
    before = saved_bytes(model, batch)
    checkpoint_layers(model.language)
    assert saved_bytes(model, batch) < 0.5 * before


def test_generation_and_scores_are_the_same_without_recomputation(build, processor_of, monkeypatch):
    model = build().eval()
    processor = processor_of(model)
    batch = processor(SAMPLES)
    texts, scores = model.generate(batch, processor, 5), model.score(batch)
    checkpoint_layers(model.language)
    monkeypatch.setattr("frozenvl.model.language.activation_checkpointing.checkpoint", None)  # not called
    assert model.generate(batch, processor, 5) == texts and model.score(batch).equal(scores)


def test_prefix_tuning_is_refused(build):
    with pytest.raises(UserError, match=r"PrefixTuning.*leave one of them out"):
        checkpoint_layers(build(tuning=PrefixTuning()).language)
