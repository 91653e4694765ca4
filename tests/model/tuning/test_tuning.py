"""Properties of all tunings, compared with the untuned model and with PEFT."""

import copy

import peft
import pytest
import torch
from losses import loss_of
from samples import BLUE, RED
from tuned import MAKE, SAMPLES

from frozenvl.model import tuning as tunings
from frozenvl.model.tuning import Adapters, LoRA, PrefixTuning, PromptTuning, Tuning
from frozenvl.util.errors import UserError

KINDS = ["llama", "gpt2", "qwen2", "phi", "gptj"]


def test_all_tunings_are_tested():
    found = {v for v in vars(tunings).values() if isinstance(v, type) and issubclass(v, Tuning)} - {Tuning}
    assert {type(make()) for make in MAKE.values()} == found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MAKE)
def test_batching_and_packing_change_no_result(made, name, kind):
    model, processor = made(name, kind)
    batch, single = processor(SAMPLES), [processor([sample]) for sample in SAMPLES]
    losses = sum(loss_of(model, one).nll for one in single)
    torch.testing.assert_close(loss_of(model, batch).nll, losses, rtol=1e-5, atol=0)
    packs, model.language.packs = model.language.packs, False
    torch.testing.assert_close(loss_of(model, batch).nll, losses, rtol=1e-5, atol=0)
    model.language.packs = packs
    torch.testing.assert_close(model.score(batch).sum(), -losses.detach(), rtol=1e-5, atol=0)
    prompts = processor([sample.prompt for sample in SAMPLES])
    texts = model.generate(prompts, processor, 6)
    assert texts == [model.generate(processor([s.prompt]), processor, 6)[0] for s in SAMPLES]
    assert texts == model.generate(
        prompts, processor, 6, num_beams=1, do_sample=False
    )  # transformers' greedy decoding
    beams = model.generate(prompts, processor, 6, num_beams=2)
    assert beams == [model.generate(processor([s.prompt]), processor, 6, num_beams=2)[0] for s in SAMPLES]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MAKE)
def test_only_trained_weights_change(build, processor_of, name, kind):
    model = build(kind, tuning=MAKE[name]()).train()
    batch = processor_of(model)(SAMPLES)
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        loss_of(model, batch).nll.backward()
        for n, p in model.named_parameters():
            assert (p.grad is not None) == (n in trained), n
        optimizer.step()
    changed = {n for n, value in model.state_dict().items() if not value.equal(before[n])}
    tied = {"language.model.lm_head.weight"} if name == "finetuned" else set()
    assert changed - tied <= model.trained_weights().keys()
    where = "tuning" if name in ("prompt", "prefix", "adapters") else "language"
    assert {n.split(".")[0] for n in changed} == {"mapper", where}
    words = {n for n in changed if n.startswith("language") and ("embed" in n or "wte" in n)}
    assert bool(words) == (name == "finetuned")


@pytest.mark.parametrize("name", MAKE)
def test_a_batch_without_targets_reaches_every_trained_weight(made, name):
    model, processor = made(name)
    loss_of(model, processor([(RED, "text")])).nll.backward()
    for n, p in model.named_parameters():
        assert not p.requires_grad or (p.grad is not None and not p.grad.any()), n


@pytest.mark.parametrize(
    ("kind", "name"),
    [(LoRA, "rank"), (Adapters, "reduction"), (PromptTuning, "length"), (PrefixTuning, "length")],
)
def test_sizes_below_1_are_refused(kind, name):
    with pytest.raises(UserError, match=rf"^model.tuning: {name} is 0; give 1 or more$"):
        kind(**{name: 0})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["lora", "adapters"])
def test_a_new_tuning_does_not_change_the_loss(build, processor_of, name, kind):
    plain, model = build(kind), build(kind, tuning=MAKE[name]())
    batch = processor_of(plain)(SAMPLES)
    torch.testing.assert_close(loss_of(model, batch).nll, loss_of(plain, batch).nll, rtol=1e-6, atol=0)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "qwen2"])
@pytest.mark.parametrize("name", ["prompt", "prefix", "lora"])
def test_losses_equal_those_of_peft(made, name, kind):
    """Compares losses of single sequences with PEFT's model with the same weights."""
    model, processor = made(name, kind)
    base = copy.deepcopy(model.language.model)
    if name == "lora":
        own = base
    else:
        config = {"prompt": peft.PromptTuningConfig, "prefix": peft.PrefixTuningConfig}[name]
        own = peft.get_peft_model(base, config(task_type="CAUSAL_LM", num_virtual_tokens=3))
        weights = model.tuning.state_dict()
        weights = {
            key.split(".", 1)[1].removeprefix("default."): v for key, v in model.tuning.state_dict().items()
        }
        own.prompt_encoder["default"].load_state_dict(weights)
    own.eval()
    for sample in SAMPLES:
        batch = processor([sample])
        embeddings = model.embeddings(batch, model.run(batch).prefix)
        with torch.no_grad():
            logits = own(inputs_embeds=embeddings, attention_mask=batch.real().long()).logits
        logits = logits[0, -batch.tokens.shape[1] :]
        where = batch.labels[0] >= 0
        expected = torch.nn.functional.cross_entropy(logits[where], batch.labels[0][where], reduction="sum")
        torch.testing.assert_close(loss_of(model, batch).nll.detach(), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", sorted(MAKE.keys() - {"prefix"}))
def test_a_prompt_cache_gives_the_texts_of_whole_prompts(made, name):
    model, processor = made(name)
    lead = (RED, "This is a dax.\n")
    rests = [(BLUE, "This is"), (BLUE, "Question: what color is the circle? Answer:"), ("How many",)]
    shared = model.prefill(processor, lead)
    after = model.generate(processor(rests, start=False), processor, 6, prompt_cache=shared)
    assert after == model.generate(processor([lead + rest for rest in rests]), processor, 6)


@pytest.mark.parametrize("name", MAKE)
def test_trained_weights_stay_fp32_with_bf16(made, name):
    model, processor = made(name)
    batch = processor(SAMPLES)
    exact = loss_of(model, batch).nll.item()
    model.hold_frozen_in_bf16()
    assert all((p.dtype == torch.float32) == p.requires_grad for p in model.language.parameters())
    loss = loss_of(model, batch).nll
    assert loss.item() == pytest.approx(exact, rel=0.03)
    loss.backward()
    assert all(p.grad.dtype == torch.float32 for p in model.parameters() if p.requires_grad)
    assert len(model.generate(processor([s.prompt for s in SAMPLES]), processor, 6)) == len(SAMPLES)
