"""Fusions that a run cannot have: one line says what is wrong, before anything is trained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fused_runs import ONLY_CHECKPOINTS, fused
from running import CONFIG, one_line
from tiny import tokenizer
from transformers import BloomConfig, BloomForCausalLM

from frozenvl.cli import main

SHORT = (*ONLY_CHECKPOINTS, "--trainer.max_steps", 2, "--trainer.limit_val_batches", 0)


def of(fusion: str, **arguments: object) -> tuple[object, ...]:
    """Returns the options of a fusion with arguments."""
    options = [x for name, value in arguments.items() for x in (f"--model.fusion.{name}", value)]
    return ("--model.fusion", f"frozenvl.model.fusion.{fusion}", *options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (of("Add", layers="[0, 2]"), r"model.fusion: layer 2, but .* has 2; name 0 to 1$"),
        (of("Multiply", layers="[]"), r"model.fusion: layers is \[\]; list distinct layers"),
        (of("Multiply", layers="[1, 1]"), r"model.fusion: layers is \[1, 1\]; list distinct layers"),
        (of("Add", width=0), "model.fusion: width is 0; give 1 or more, or leave it out"),
        (of("CrossAttention", every=0), "model.fusion: every is 0; give 1 or more$"),
        (of("CrossAttention", heads=-1), "model.fusion: heads is -1; give 1 or more$"),
        (of("CrossAttention", ratio=-1), "model.fusion: ratio is -1.0; give a positive number, or 0"),
        (
            of("CrossAttention", images="first"),
            r"model.fusion.images: .*\['last', 'all'\]. Got value: first$",
        ),
        (
            of("CrossAttention", layers="[0]"),
            "'layers' is not accepted; there are every, heads, width, ratio",
        ),
        (of("LayerPrefix", width=0), "model.fusion: width is 0; give 1 or more$"),
        (of("LayerFusion"), "model.fusion: Expected an instantiatable class, but is abstract"),
        ((*of("Add"), "--model.rates", '{"gate": 1}'), "names gate, but what is trained is mapper, fusion$"),
    ],
    ids=str,
)
def test_wrong_arguments(frozenvl, capfd, options, message):
    assert frozenvl("fit", *SHORT, *options) == 2
    assert re.search(message, one_line(capfd.readouterr().err))
    assert not Path("runs/tiny/checkpoints").exists()


def test_a_layer_prefix_on_attention_that_cannot_be_extended(frozenvl, capfd):
    words = tokenizer(Path("bloom"))
    config = BloomConfig(vocab_size=len(words), hidden_size=32, n_layer=2, n_head=4)
    BloomForCausalLM(config).save_pretrained("bloom")
    asked = (*SHORT, "--model.language", "bloom")
    plan = ["plan", "--config", CONFIG, *frozenvl.models, *asked, *fused("LayerPrefix"), "--peak", "1e12"]
    for refused in (lambda: frozenvl("fit", *asked, *fused("LayerPrefix")), lambda: main([*map(str, plan)])):
        capfd.readouterr()
        assert refused() == 2
        line = one_line(capfd.readouterr().err)
        assert re.search(
            "LayerPrefix on bloom: the attention of Bloom.* cannot be extended; use CrossAttention$", line
        )
    assert frozenvl("fit", *asked, *fused("CrossAttention")) == 0


@pytest.fixture(scope="module")
def others(drilled) -> None:
    """Runs with two fusions."""
    for name in ("Add", "CrossAttention"):
        assert drilled("fit", *SHORT, *fused(name), name=name) == 0


@pytest.mark.parametrize(
    ("run", "options", "message"),
    [
        (
            "Add",
            fused("Multiply"),
            "fusion = frozenvl.model.fusion.add.Add, this model has .*multiply.Multiply",
        ),
        ("CrossAttention", fused("LayerPrefix"), "fusion = .*CrossAttention, this model has .*LayerPrefix"),
        ("CrossAttention", (), "fusion = .*CrossAttention, this model has concat"),
        ("CrossAttention", of("CrossAttention", every=1, heads=4, width=4), "fusion_heads = 2, .* has 4"),
        (
            "CrossAttention",
            (*fused("CrossAttention"), "--model.fusion.images", "all"),
            "fusion_images = last",
        ),
        ("CrossAttention", (*fused("CrossAttention"), "--model.fusion.every", 2), "blocks.1.* absent"),
        ("Add", (*fused("Add"), "--model.fusion.layers", "[1]"), "maps.0.gate.gate is 32 there, absent"),
    ],
    ids=str,
)
def test_a_checkpoint_of_another_fusion(drilled, others, capfd, run, options, message):
    capfd.readouterr()
    start = ("--init_from", f"runs/{run}/checkpoints/last.ckpt")
    assert drilled("fit", *SHORT, *options, *start, name="other") == 2
    line = one_line(capfd.readouterr().err)
    assert re.search(message, line) and line.endswith("; use the configuration that it was trained with")
    assert not Path("runs/other").exists()


def test_a_resume_with_another_number_of_heads_of_equal_shapes(drilled, others, capfd):
    capfd.readouterr()
    asked = (*of("CrossAttention", every=1, heads=4, width=4), "--ckpt_path", "last")
    assert drilled("fit", *SHORT, *asked, name="CrossAttention") == 2
    assert "was trained with fusion_heads = 2, this model has 4" in one_line(capfd.readouterr().err)
