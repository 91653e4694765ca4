"""The drawing head: its loss by hand, pictures that do not depend on the batch, markers and caches, and errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from autoencoders import autoencoder, autoencoding

from frozenvl.model.heads import Drawing
from frozenvl.model.heads.text_cache import cached_texts
from frozenvl.prompt import Marker
from frozenvl.util.errors import UserError

TEXTS = ["a large red circle", "a blue star", "two small blue stars to the left"]
SMALL = {"dim": 8, "depth": 1, "heads": 2}


def model_of(language, levels=None, **options):
    head = Drawing(**{"markers": 3} | SMALL | options)
    model = autoencoding(language, autoencoder(levels=levels), heads={"draw": head}).eval()
    return model, head, model.processor()


@pytest.mark.parametrize("pool", ["marker", "mean", "last"])
@pytest.mark.parametrize("levels", [None, [3, 3]])
def test_the_states_and_the_loss_by_hand(tiny_language, pool, levels):
    model, head, processor = model_of(tiny_language, levels, pool=pool, layers=(1, -1))
    latents = model.vision(torch.randint(256, (3, 3, 32, 32), dtype=torch.uint8)).detach()
    if levels is None:
        head.measure(iter([latents]), iter([]))
    run = model.run(processor([head.prompt(text) for text in TEXTS]))
    losses, states = head.loss(run, latents), head.states_of(run)
    for row, text in enumerate(TEXTS):  # each alone, by transformers
        batch = processor([head.prompt(text)])
        inputs = model.embeddings(batch, torch.zeros(0, 1, 32))
        out = model.language.model(inputs_embeds=inputs, output_hidden_states=True).hidden_states
        read = {"marker": slice(-3, None), "mean": slice(1, None), "last": slice(-1, None)}[pool]
        own = [out[layer][0, read] for layer in (1, -1)]
        own = torch.cat([rows.mean(0, keepdim=True) if pool == "mean" else rows for rows in own])
        torch.testing.assert_close(states[row], own, rtol=1e-4, atol=1e-5)
        if levels is None:
            deviation = latents.std(0, unbiased=False)
            target = (latents[row] - latents.mean(0)) / deviation
            expected = (head.draw(own[None])[0] - target).pow(2).mean().item()
        else:
            codes = model.vision.quantization.to_codes(latents[row : row + 1].transpose(1, 2))
            probabilities = head.draw(own[None], codes)[0].softmax(-1)
            expected = -sum(math.log(probabilities[i, c].item()) for i, c in enumerate(codes[0])) / len(
                codes[0]
            )
        assert losses[row].item() == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("levels", [None, [3, 3]])
def test_a_picture_does_not_depend_on_the_other_texts(tiny_language, levels):
    model, _, processor = model_of(tiny_language, levels)
    together = model.draw(processor, TEXTS, seed=4)
    assert together.shape == (3, 32, 32, 3) and together.dtype == np.uint8
    for row, text in enumerate(TEXTS):
        alone = model.draw(processor, [text], seed=4, batch_size=1)[0]
        assert np.abs(alone.astype(int) - together[row]).max() <= 1
    other = model.draw(processor, TEXTS, seed=5)
    assert np.array_equal(other, together) == (levels is None)  # continuous latents are not drawn at random
    assert model.draw(processor, []).shape == (0, 32, 32, 3)


def test_temperature_zero_draws_the_most_likely_codes(tiny_language):
    model, head, processor = model_of(tiny_language, [3, 3])
    run = model.run(processor([head.prompt(text) for text in TEXTS]))
    latents = head.latents(run, temperature=0)
    codes = model.vision.quantization.to_codes(latents.transpose(1, 2))
    assert torch.equal(head.draw(head.states_of(run), codes).argmax(-1), codes)


def test_codes_are_drawn_by_their_probabilities(tiny_language):
    model, head, processor = model_of(tiny_language, [3, 3])
    run = model.run(processor([head.prompt(TEXTS[0])]))
    first = head.draw(head.states_of(run), torch.zeros(1, 16, dtype=torch.long))[0, 0].softmax(-1)
    drawn = [head.latents(run, seed)[:, :1] for seed in range(100)]
    codes = model.vision.quantization.to_codes(torch.cat(drawn).transpose(1, 2))[:, 0]
    shares = codes.bincount(minlength=9) / 100
    assert (shares - first.detach()).abs().max() < 0.17 and (shares > 0).sum() > 4


def test_markers_are_trained_and_stand_behind_the_text(tiny_language):
    model, head, processor = model_of(tiny_language)
    assert head.prompt("red") == ("red", Marker("[IMG0]"), Marker("[IMG1]"), Marker("[IMG2]"))
    assert model.markers == ("[IMG0]", "[IMG1]", "[IMG2]")
    run = model.run(processor([head.prompt(text) for text in TEXTS]))
    head.loss(run, torch.randn(3, 16, 2)).sum().backward()
    assert head.vectors.grad.abs().amin(1).min() >= 0 and head.vectors.grad.norm(dim=1).min() > 0
    assert not any(key.startswith("draw.vectors") for key in model.language.state_dict())


def test_states_that_no_weight_changes_are_cached(tiny_language, tmp_path, monkeypatch):
    monkeypatch.setenv("FROZENVL_HOME", str(tmp_path))
    model, head, processor = model_of(tiny_language, pool="mean", layers=(0, -1))
    assert head.states(model).shape == (2, 32) and model_of(tiny_language)[1].states(model) is None
    batch = processor([head.prompt(text) for text in TEXTS])
    computed = head.states_of(model.run(batch))
    head.text_states = cached_texts(model, head, processor, TEXTS)
    run = model.run(batch)
    torch.testing.assert_close(head.read(run), computed)
    assert run.positions == 0


def test_what_it_cannot_do_is_one_line(tiny_language):
    for options, message in (
        ({"markers": 0}, "start at 1"),
        ({"dim": 9}, "dim is 9, which 2 heads do not divide"),
        ({"layers": ()}, "layers is empty"),
        ({"text": "x"}, "has to contain"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"layers": (7,)}, "layer 7"),
    ):
        with pytest.raises(UserError, match=message):
            model_of(tiny_language, **options)
    with pytest.raises(UserError, match="which cannot be decoded; use grid all"):
        autoencoding(tiny_language, autoencoder(grid=2), heads={"draw": Drawing(**SMALL)})
    _, head, _ = model_of(tiny_language)
    with pytest.raises(UserError, match=r"set data\.cache_features to true"):
        head.measure(iter([]), iter([]))
    with pytest.raises(UserError, match=r"has no drawing head; train one .*, as configs/draw\.yaml does"):
        autoencoding(tiny_language, autoencoder()).drawer()
