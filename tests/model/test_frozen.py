import copy
from dataclasses import replace

import pytest
import torch
from architectures import ALL
from losses import loss_of
from painted import Painted
from safetensors.torch import load_file, save_file
from samples import BLUE, RED, SAMPLES, WIDE

from frozenvl.model.batch import IGNORE
from frozenvl.prompt import Example, Sample
from frozenvl.util.errors import UserError
from frozenvl.wording import VQA


@pytest.mark.matrix("batched = single")
@pytest.mark.parametrize("kind", ALL)
def test_a_batch_gives_the_same_results_as_single_samples(build, processor_of, kind):
    """Compares loss, scores and generated texts."""
    model = build(kind)
    processor = processor_of(model)
    batch, single = processor(SAMPLES), [processor([sample]) for sample in SAMPLES]

    loss, losses = loss_of(model, batch), [loss_of(model, one) for one in single]
    assert loss.tokens == sum(one.tokens for one in losses) == int((batch.labels >= 0).sum())
    torch.testing.assert_close(loss.nll, sum(one.nll for one in losses), rtol=1e-5, atol=0)

    scores = model.score(batch)
    torch.testing.assert_close(scores, torch.cat([model.score(one) for one in single]), rtol=1e-5, atol=0)
    torch.testing.assert_close(scores.sum(), -loss.nll.detach(), rtol=1e-5, atol=0)

    prompts = processor([sample.prompt for sample in SAMPLES])
    texts = model.generate(prompts, processor, 6)
    alone = [model.generate(processor([sample.prompt]), processor, 6)[0] for sample in SAMPLES]
    assert texts == alone and len(set(texts)) > 1


@pytest.mark.matrix("images anywhere")
@pytest.mark.parametrize("kind", ALL)
def test_score_is_the_sum_of_log_probabilities(build, processor_of, kind):
    """Compares with concatenated embeddings and the full logits of transformers' model."""
    model = build(kind)
    processor = processor_of(model)
    scores = model.score(processor(SAMPLES))
    embed = model.language.model.get_input_embeddings()
    for sample, score in zip(SAMPLES, scores, strict=True):
        parts = []
        for part in sample.prompt:
            if isinstance(part, Painted):
                parts.append(model.mapper(model.vision(processor.reader([part])))[0])
            else:
                parts.append(embed(torch.tensor(processor.encode(part))))
        last = sample.prompt[-1] if isinstance(sample.prompt[-1], str) else ""
        target = torch.tensor([*processor.targets(last, sample.target)])
        inputs = torch.cat([*parts, embed(target)])[None]
        logits = model.language.model(inputs_embeds=inputs).logits[0]
        predicting = logits[-len(target) - 1 : -1].log_softmax(-1)
        torch.testing.assert_close(score, predicting[range(len(target)), target].sum(), rtol=1e-5, atol=0)


@pytest.mark.matrix("head on targets alone = full loss")
@pytest.mark.parametrize("kind", ALL)
def test_loss_is_cross_entropy_over_all_positions(build, processor_of, kind):
    """Compares value and gradient with those from all logits of transformers' model on the padded batch."""
    model = build(kind)
    batch = processor_of(model)(SAMPLES)
    inputs = model.embeddings(batch, model.run(batch).prefix)
    logits = model.language.model(inputs_embeds=inputs, use_cache=False).logits
    full = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), batch.labels.flatten(), ignore_index=IGNORE, reduction="sum"
    )
    ours = loss_of(model, batch).nll
    torch.testing.assert_close(ours, full, rtol=1e-5, atol=0)
    weight = model.mapper.net[-1].weight
    (one,), (other,) = (torch.autograd.grad(loss, weight) for loss in (ours, full))
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4 * other.abs().max().item())


@pytest.mark.parametrize("kind", ["llama", "gpt2", "opt", "mistral", "bloom", "mamba"])
def test_loss_of_an_episode_is_the_sum_over_its_answers(build, processor_of, kind):
    model = build(kind)
    processor = processor_of(model)
    examples = [
        Example(str(n), image, str(n), (), "what color is it?", answer)
        for n, (image, answer) in enumerate([(RED, "red"), (BLUE, "a small blue star"), (WIDE, "3")])
    ]
    loss = loss_of(model, processor([VQA.sample(examples[2], shots=examples[:2], learned=[0, 1])]))
    total, tokens = torch.zeros(()), 0
    for place, example in enumerate(examples):
        alone = processor([VQA.sample(example, shots=examples[:place])])
        if place < 2:  # the answer of a demonstration has no end token
            labels = alone.labels.clone()
            labels[0, -1] = IGNORE
            alone = replace(alone, labels=labels)
        each = loss_of(model, alone)
        total, tokens = total + each.nll, tokens + each.tokens
    assert loss.tokens == tokens
    torch.testing.assert_close(loss.nll, total, rtol=1e-5, atol=0)
    last = loss_of(model, processor([VQA.sample(examples[2], shots=examples[:2])]))
    torch.testing.assert_close(last.nll, each.nll, rtol=1e-5, atol=0)
    assert last.tokens < loss.tokens


@pytest.mark.matrix("save and load")
@pytest.mark.parametrize("kind", ALL)
def test_trained_weights_can_be_saved_and_loaded(build, processor_of, kind, tmp_path):
    """A new model around the same language model gives bit-identical loss and texts after loading."""
    model, new = build(kind), build(kind)
    processor = processor_of(model)
    batch = processor(SAMPLES)
    at_the_start = loss_of(model, batch).nll
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.01)
    at_the_start.backward()
    optimizer.step()
    save_file(
        {n: p for n, p in model.named_parameters() if p.requires_grad}, tmp_path / "trained.safetensors"
    )
    new.load_state_dict(load_file(tmp_path / "trained.safetensors"), strict=False)
    assert loss_of(new, batch).nll.equal(loss_of(model, batch).nll) and not loss_of(new, batch).nll.equal(
        at_the_start
    )
    assert new.generate(batch, processor, 6) == model.generate(batch, processor, 6)


@pytest.mark.matrix("gradients reach the prefix, nothing else", "weights the same after fitting, bit by bit")
@pytest.mark.parametrize("trainable", [False, True])
@pytest.mark.parametrize("kind", ALL)
def test_only_trained_weights_change(build, processor_of, kind, trainable):
    """Gradients reach the mapper and a trainable encoder; the language model stays bit-identical."""
    model = build(kind, trainable=trainable).train()
    batch = processor_of(model)(SAMPLES)
    before = copy.deepcopy(model.state_dict())
    parts = {"mapper", "vision"} if trainable else {"mapper"}
    trained = {name for name, _ in model.named_parameters() if name.split(".")[0] in parts}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        loss_of(model, batch).nll.backward()
        for name, parameter in model.named_parameters():
            assert (parameter.grad is not None) == (name in trained), name
            assert name not in trained or parameter.grad.isfinite().all()
        assert model.mapper.net[-1].weight.grad.any()
        optimizer.step()
        assert not any(module.training for module in model.language.modules())
    after = model.state_dict()
    changed = {name for name in before if not before[name].equal(after[name])}
    assert {name.split(".")[0] for name in changed} == parts
    assert {
        name.split(".")[0] for name in model.trained_weights()
    } == parts and changed <= model.trained_weights().keys()
    assert all(name.startswith("language") or name in changed for name in trained if name.endswith("weight"))


def test_loss_does_not_depend_on_the_language_models_dropout(build, processor_of):
    model = build("gpt2")
    batch = processor_of(model)(SAMPLES)
    assert model.language.model.config.resid_pdrop > 0
    assert loss_of(model.eval(), batch).nll.equal(loss_of(model.train(), batch).nll)


@pytest.mark.parametrize("samples", [[], SAMPLES[-1:], [("text",)], [(RED, "text")]])
@pytest.mark.parametrize("trainable", [False, True])
def test_a_batch_without_images_or_targets_gives_zero_gradients(build, processor_of, samples, trainable):
    model = build(trainable=trainable).train()
    before = copy.deepcopy(model.state_dict())
    batch = processor_of(model)(samples)
    loss = loss_of(model, batch)
    loss.nll.backward()
    assert (loss.tokens > 0) == (loss.nll > 0) == (samples == SAMPLES[-1:])
    for part in [model.mapper, *([model.vision] if trainable else [])]:
        for parameter in part.parameters():
            assert parameter.grad is not None and not parameter.grad.any()
    if not batch.images.shape[0]:
        assert all(value.equal(before[name]) for name, value in model.state_dict().items())
    assert model.score(batch).shape == (len(samples),)


def test_too_many_positions_are_refused(build, processor_of):
    model = build("gpt2")
    processor = processor_of(model)
    prompt = (RED, "circle" + " circle" * 30)
    used = int(processor([prompt]).lengths[0])
    assert model.language.max_positions == 128 > used
    model.generate(processor([prompt]), processor, 128 - used)
    with pytest.raises(UserError, match=r"continuation has 129 positions.*only 128.*max_new_tokens"):
        model.generate(processor([prompt]), processor, 129 - used)
    long = processor([Sample("1", (RED, "circle" * 200), " a")])
    for call in (model.run, model.score):
        with pytest.raises(UserError, match=r"with its target has \d+ positions.*only 128"):
            call(long)


def test_k_is_at_least_one(build):
    with pytest.raises(UserError, match="k is 0"):
        build(k=0)


def test_bf16_holds_frozen_weights_and_trains_in_fp32(build, processor_of):
    model = build(grid=2)
    batch = processor_of(model)(SAMPLES)
    exact = loss_of(model, batch).nll
    frequencies = {name: value.clone() for name, value in model.language.named_buffers()}
    assert any("inv_freq" in name for name in frequencies)
    model.hold_frozen_in_bf16()
    frozen = [*model.language.parameters(), *model.vision.parameters()]
    assert {parameter.dtype for parameter in frozen} == {torch.bfloat16}
    assert all(value.equal(frequencies[name]) for name, value in model.language.named_buffers())
    nll = loss_of(model, batch).nll
    nll.backward()
    assert nll.dtype == torch.float32 and {p.grad.dtype for p in model.mapper.parameters()} == {torch.float32}
    torch.testing.assert_close(nll, exact, rtol=0.05, atol=0)
    assert model.score(batch).dtype == torch.float32
    assert model.generate(batch, processor_of(model), 3)
