"""Operations and memory counted with fake tensors, compared with a real step."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from losses import loss_of
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from transformers import LlamaConfig

from frozenvl.model.batch import IGNORE
from frozenvl.plan.fit_spec import Planned
from frozenvl.plan.timing import drawn
from frozenvl.plan.trace import Outline, size
from frozenvl.training.callbacks.throughput import Work, operations
from frozenvl.training.module import FrozenModule
from frozenvl.training.trained_run import made

TUNING = "frozenvl.model.tuning."
FUSION = "frozenvl.model.fusion."
WAYS = {
    "frozen": [],
    "LoRA": ["--model.tuning", TUNING + "LoRA"],
    "adapters": ["--model.tuning", TUNING + "Adapters"],
    "prompt tuning": ["--model.tuning", TUNING + "PromptTuning"],
    "prefix tuning": ["--model.tuning", TUNING + "PrefixTuning"],
    "finetuned": ["--model.tuning", TUNING + "Finetuned"],
    "trained encoder": ["--model.vision.init_args.trainable", "true"],
    "two blocks": ["--model.vision.init_args.trainable", "2"],
    "pixels": ["--data.cache_features", "false"],
    "checkpointing": ["--model.checkpointing", "true"],
    "transformer": [
        "--model.mapper",
        "frozenvl.model.mappers.Transformer",
        "--model.mapper.init_args.layers",
        "2",
    ],
    "bf16": ["--model.precision", "bf16"],
    "add": ["--model.fusion", FUSION + "Add", "--model.fusion.layers", "[0, 1]"],
    "multiply": ["--model.fusion", FUSION + "Multiply", "--model.fusion.width", "8"],
    "cross-attention": ["--model.fusion", FUSION + "CrossAttention", "--model.fusion.every", "1"],
    "layer prefix": ["--model.fusion", FUSION + "LayerPrefix"],
    "layer prefix, checkpointing": [
        "--model.fusion",
        FUSION + "LayerPrefix",
        "--model.checkpointing",
        "true",
    ],
    "cross-attention, bf16": ["--model.fusion", FUSION + "CrossAttention", "--model.precision", "bf16"],
    "cross-attention, checkpointing": [
        *("--model.fusion", FUSION + "CrossAttention", "--model.fusion.every", "1"),
        *("--model.checkpointing", "true"),
    ],
}


class Products(TorchDispatchMode):
    """Counts the operations of matrix products that are really computed."""

    done = 0.0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        if count := flop_registry.get(function._overloadpacket):
            self.done += count(*args, **(kwargs or {}), out_val=out)
        return out


def real(planned: Planned) -> FrozenModule:
    """Loads the module of a plan."""
    module: FrozenModule = made(FrozenModule, planned.settings, "model")
    if planned.precision == "bf16":
        module.model.hold_frozen_in_bf16()
    module.model.train()
    return module


@pytest.mark.parametrize("way", WAYS)
def test_weights_and_operations_equal_those_of_a_real_step(planned, way):
    it = planned(*WAYS[way])
    module, batch = real(it), it.batches(8)[0]
    outline = Outline(it.outlined.model)
    shapes = {name: (p.shape, p.dtype, p.requires_grad) for name, p in module.model.named_parameters()}
    assert shapes == {n: (p.shape, p.dtype, p.requires_grad) for n, p in outline.model.named_parameters()}
    images = drawn(batch.images)
    counted = outline.step(batch)
    with Products() as products:
        loss_of(module.model, batch.__class__(**vars(batch) | {"images": images})).nll.backward()
    assert counted.operations == products.done > 0
    optimizer = module.make_optimizer([p for p in module.parameters() if p.requires_grad])
    optimizer.step()
    kept = [value for state in optimizer.state.values() for value in state.values()]
    assert outline.state(it.outlined.make_optimizer) == size(kept) > 2 * size(outline.trained)
    assert outline.step(batch) == counted  # nothing is left of the first step


def test_operations_agree_with_those_of_the_throughput_callback(planned, tmp_path):
    """The callback counts only products with weights of the language model; attention and the mapper are small here."""
    LlamaConfig(
        hidden_size=512,
        intermediate_size=1536,
        num_hidden_layers=4,
        num_attention_heads=8,
        vocab_size=4096,
    ).save_pretrained(tmp_path)
    it = planned("--model.language", str(tmp_path))
    batch = it.batches(8)[0]
    work = Work(int((batch.labels != IGNORE).sum()), int(batch.lengths.sum()))
    outline = Outline(it.outlined.model)
    least = operations(outline.model.language, work)
    assert least < outline.step(batch).operations < 1.1 * least


@pytest.mark.parametrize(
    "way",
    [
        *("frozen", "trained encoder", "checkpointing", "bf16", "LoRA", "cross-attention", "layer prefix"),
        "cross-attention, checkpointing",
    ],
)
def test_working_memory_equals_what_torch_allocates(planned, way, tmp_path):
    it = planned(*WAYS[way], "--data.batch_size", "32")
    module, batch = real(it), it.batches(32)[0]
    batch = batch.__class__(**vars(batch) | {"images": drawn(batch.images)})
    hooks = [
        p.register_post_accumulate_grad_hook(lambda p: setattr(p, "grad", None))
        for p in module.parameters()
        if p.requires_grad
    ]
    loss_of(module.model, batch).nll.backward()  # allocates what is made only once
    with torch.profiler.profile(profile_memory=True) as profile:
        loss_of(module.model, batch).nll.backward()
    assert hooks
    profile.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    memory = [event for event in events if event["name"] == "[memory]"]
    memory.sort(key=lambda event: event["ts"])
    held = [event["args"]["Total Allocated"] for event in memory]
    before = held[0] - memory[0]["args"]["Bytes"]
    counted = Outline(it.outlined.model).step(it.batches(32)[0]).working
    assert counted == pytest.approx(max(held) - before, rel=0.1)


def test_checkpointing_needs_less_memory_and_more_operations(planned):
    plain, less = (planned(*WAYS[way]) for way in ("frozen", "checkpointing"))
    one, other = (Outline(it.outlined.model).step(it.batches(16)[0]) for it in (plain, less))
    assert other.working < 0.8 * one.working and other.operations > 1.2 * one.operations
