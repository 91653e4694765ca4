"""What holds for every temporal part."""

from __future__ import annotations

import pytest
import torch
from in_motion import BACK, BLUE, FORTH, GOLD, GREEN, LONG, MAKE, RED, build
from losses import loss_of

from frozenvl.model.fusion import Add, CrossAttention
from frozenvl.model.hub import KINDS
from frozenvl.model.prefix_cache import PrefixCache
from frozenvl.model.temporal import FrameEmbedding, FrameResampler, FrameTransformer, Temporal
from frozenvl.model.vision.finite import finite_rows
from frozenvl.prompt import Sample
from frozenvl.util.errors import RunError, UserError
from frozenvl.video import Video

POSITIONS = {None: 6, "embedding": 6, "mean": 2, "resampler": 2, "transformer": 2}
"""Positions of a video of three frames with k = 2."""
parts = pytest.mark.parametrize("name", list(MAKE))


def prefix(model, *prompts):
    with torch.no_grad():
        return model.run(model.processor()(prompts)).prefix


@pytest.mark.parametrize("name", [None, *MAKE])
def test_a_video_takes_the_positions_of_its_views(language, tiny_vision, name):
    model = build(language, tiny_vision, name and MAKE[name]())
    batch = model.processor()([("a", FORTH, "b"), ("a", RED, "b")])
    video, image = (int((row >= 0).sum()) for row in batch.slots)
    assert (video, image) == (POSITIONS[name], 2)
    assert batch.slots[0][batch.slots[0] >= 0].tolist() == list(range(video))


@parts
def test_a_batch_of_images_is_that_of_a_model_without_the_part(language, tiny_vision, name):
    with_part = build(language, tiny_vision, MAKE[name](), trained=True)
    without = build(language, tiny_vision, None)
    prompts = [("a", RED, "b", GREEN), (Video([BLUE]), "c")]
    (batch, expected) = (model.processor()(prompts) for model in (with_part, without))
    assert not batch.views.numel() and batch.slots.equal(expected.slots)
    assert with_part.run(batch).prefix.equal(without.run(expected).prefix)


@parts
def test_images_beside_a_video_are_unchanged(language, tiny_vision, name):
    model = build(language, tiny_vision, MAKE[name](), trained=True)
    alone = prefix(model, (RED,), (GOLD,))
    mixed = prefix(model, (RED, FORTH, GOLD))
    torch.testing.assert_close(mixed[[0, -1]], alone, rtol=1e-5, atol=1e-6)


@parts
def test_the_order_of_frames_matters_if_they_are_numbered(language, tiny_vision, name):
    model = build(language, tiny_vision, MAKE[name](), trained=True)
    forth, back = (prefix(model, (video,)) for video in (FORTH, BACK))
    if name == "embedding":  # views are frames: those of one place are compared
        back = back.flip(0)
    assert forth.isclose(back, atol=1e-6).all() == (name == "mean")


@parts
def test_videos_of_different_lengths_do_not_depend_on_each_other(language, tiny_vision, name):
    model = build(language, tiny_vision, MAKE[name](), trained=True)
    alone = torch.cat([prefix(model, (video,)) for video in (FORTH, LONG)])
    together = prefix(model, (FORTH,), (LONG,))
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@parts
def test_the_prefix_cache_holds_the_vectors_of_views(language, tiny_vision, name):
    model = build(language, tiny_vision, MAKE[name](), trained=True)
    cached = model.processor()
    cached.reader = PrefixCache(model, cached.reader)
    prompts = [("a", FORTH, "b", RED), ("a", LONG, "b"), ("a", BACK)]
    batch, plain = cached(prompts), model.processor()(prompts)
    assert batch.stage == "prefixes" and batch.slots.equal(plain.slots)
    torch.testing.assert_close(batch.images, model.run(plain).prefix, rtol=1e-4, atol=1e-5)
    assert model.generate(batch, cached, 4) == model.generate(plain, model.processor(), 4)
    reads = RED.reads
    again = cached([("c", BACK, FORTH)])
    assert RED.reads == reads, "a video of the cache is read again"
    for video in (FORTH, BACK, LONG):  # bit for bit, whatever else was computed with it
        fresh = PrefixCache(model, model.processor().reader)
        of_video = cached([(video,)])
        processor = model.processor()
        processor.reader = fresh
        assert processor([(video,)]).images.equal(of_video.images)
    assert len(again.images) == (5 if name == "embedding" else 2)  # green is the second frame of both


@parts
def test_a_prompt_cache_continues_with_a_video(language, tiny_vision, name):
    model = build(language, tiny_vision, MAKE[name](), trained=True)
    processor = model.processor()
    whole = processor([Sample("0", (FORTH, "a\n", BACK, "b"), " c")])
    cache = model.prefill(processor, (FORTH, "a\n"))
    rest = processor([Sample("0", (BACK, "b"), " c")], start=False)
    torch.testing.assert_close(model.score(rest, cache), model.score(whole), rtol=1e-4, atol=1e-4)


def test_layers_that_see_one_image_see_a_video_that_is_one_view(language, tiny_vision):
    for fusion in (Add([0, 1]), CrossAttention(every=1, heads=2, width=8)):
        model = build(language, tiny_vision, FrameResampler(4), fusion, trained=True)
        for gate in (weight for key, weight in model.fusion.named_parameters() if "gate" in key):
            torch.nn.init.constant_(gate, 0.1)
        scores = [
            model.score(model.processor()([Sample("0", (video, "a"), " b")])) for video in (FORTH, BACK)
        ]
        assert not scores[0].isclose(scores[1])


@parts
def test_every_trained_weight_has_a_gradient_whether_the_batch_has_videos_or_not(language, tiny_vision, name):
    model = build(language, tiny_vision, MAKE[name]()).train()
    for image, moves in ((FORTH, True), (RED, False)):
        model.zero_grad()
        loss_of(model, model.processor()([Sample("0", ("a", image), " b")])).nll.backward()
        gradients = {key: weight.grad for key, weight in model.named_parameters() if weight.requires_grad}
        assert all(gradient is not None for gradient in gradients.values())
        for key, gradient in gradients.items():
            if key == "temporal.embedding":
                assert bool(gradient[:3].any()) == moves and not gradient[3:4].any()  # three frames of four


@parts
def test_checkpoints_hold_the_part_and_name_it(language, tiny_vision, name):
    model = build(language, tiny_vision, MAKE[name]())
    kept = {key for key in model.trained_weights() if key.startswith("temporal.")}
    assert (
        len(kept)
        == sum(1 for _ in model.temporal.parameters())
        == {"mean": 0, "transformer": 16}.get(name, 1)
    )
    assert model.parts["temporal"] is model.temporal
    assert model.identity()["temporal"].endswith(type(model.temporal).__name__)
    assert "temporal" not in build(language, tiny_vision, None).identity() and KINDS["temporal"] is Temporal


def test_features_that_are_not_finite_name_the_samples_of_the_video(language, tiny_vision, monkeypatch):
    model = build(language, tiny_vision, FrameResampler(4))
    run = model.run(model.processor()([Sample("good", (RED,), "a"), Sample("bad", (LONG,), "a")]))
    run.features[1] = torch.nan  # gold, which only the longer video has
    assert not finite_rows(run.features).all()
    with pytest.raises(RunError, match=r"samples bad;"):
        run.check_features()


@pytest.mark.parametrize("kind", [FrameEmbedding, FrameResampler, FrameTransformer])
def test_a_number_of_frames_below_1_is_refused(kind):
    with pytest.raises(UserError, match=r"frames is 0; give the largest number"):
        kind(0)


def test_a_long_video_is_refused_before_a_pass(language, tiny_vision):
    model = build(language, tiny_vision, FrameEmbedding(3))
    with pytest.raises(UserError, match="4 frames"):
        model.processor()([(LONG,)])
